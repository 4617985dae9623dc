"""What every report carries beside the candidates, so that "was it worth it?" is a line with an interval.

A control is one file with one frozen dataclass; ``plan(finalist)`` gives the candidate to run, or None where there is
nothing to compare with (the finalist itself is that control). ``title`` and ``what`` are shown in the report.
"""
