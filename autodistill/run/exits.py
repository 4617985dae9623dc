"""Exit codes of a verdict (ARCHITECTURE §7)."""

from collections.abc import Mapping

EXIT: Mapping[str, int] = {"PASS": 0, "FAIL": 1, "INCONCLUSIVE": 3}
