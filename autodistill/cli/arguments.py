"""What the command line takes: every verb, its arguments and its options."""

import argparse
from collections.abc import Callable
from pathlib import Path

SHELLS = ("bash", "zsh", "fish", "tcsh", "powershell")

EXIT_CODES = """exit codes:
  0  accepted, or valid
  1  refused: nothing accepted, and no test was undecided
  2  the file, the table or the command is wrong (one line on stderr)
  3  nothing accepted, at least one test undecided: more rows are needed"""


def _count(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("must be 1 or more")
    return value


def _minutes(text: str) -> float:
    value = float(text)
    if not 0 < value < 1e6:
        raise argparse.ArgumentTypeError("must be more than 0")
    return value


def parser() -> argparse.ArgumentParser:
    """The command line."""
    top = argparse.ArgumentParser(
        prog="autodistill",
        description="Find the smallest acceptable student for a teacher, and audit it.",
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("--version", action="store_true", help="show the versions that figures depend on")
    top.add_argument("--json", action="store_true", help="print JSON for a machine")
    top.add_argument("-C", dest="directory", type=Path, metavar="DIR", help="work in this directory")
    verbs = top.add_subparsers(dest="verb", metavar="VERB")

    def verb(name: str, text: str) -> argparse.ArgumentParser:
        one = verbs.add_parser(name, help=text, description=text)
        # Without a default of its own, so that it may stand before the verb as well.
        one.add_argument("--json", action="store_true", default=argparse.SUPPRESS, help="print JSON for a machine")
        return one

    one = verb("init", "Write an experiment file and a policy for a table and a teacher, and say what its rows decide.")
    _init(one)

    one = verb("check", "Read an experiment file: what it would do, what these rows can certify, or what is wrong.")
    one.add_argument("file", type=Path, metavar="FILE")

    one = verb("search", "Search for students; train, measure and audit each; write the report. Goes on where it was.")
    one.add_argument("file", type=Path, metavar="FILE")
    one.add_argument("--out", type=Path, metavar="DIR", help="the run's folder (default: reports/NAME)")
    one.add_argument("--trials", type=_count, metavar="N", help="candidates at most")
    one.add_argument("--minutes", type=_minutes, metavar="M", help="minutes of search at most")
    one.add_argument("--workers", type=_count, metavar="N", help="processes that train at once")

    one = verb("audit", "Audit any student against any teacher from a table of what they said (.csv or .parquet).")
    _audit(one)

    one = verb("show", "The front, and why each candidate was accepted or refused.")
    one.add_argument("run", type=Path, metavar="RUN")
    one.add_argument("--all", action="store_true", help="every candidate, not only the front")

    one = verb("report", "Render a run's report again from its records, or judge the run again under another policy.")
    _report(one)

    one = verb("predict", "Score new rows with the run's student.")
    one.add_argument("run", type=Path, metavar="RUN")
    one.add_argument("table", type=Path, metavar="TABLE")
    one.add_argument("--out", type=Path, metavar="FILE", help="a .csv or .parquet file (default: CSV on stdout)")
    one.add_argument("--uncertified", action="store_true", help="use the finalist although it is not certified")

    one = verb("measure", "Read latency, energy and size of an artefact on this machine (onnxruntime and numpy only).")
    one.add_argument("artefact", type=Path, metavar="ARTEFACT")
    one.add_argument("--teacher", type=Path, metavar="ARTEFACT", help="read the ratio to this one too, interleaved")
    one.add_argument("--rows", type=Path, required=True, metavar="TABLE", help="rows to rotate through: .csv or .npz")
    one.add_argument("--batch", type=_count, default=1)
    one.add_argument("--threads", type=_count, default=1)
    one.add_argument("--out", type=Path, metavar="FILE", help="where the readings go (default: stdout)")

    _deciding(verb)
    one = verb("nightly", "One unattended run: resume, compare with the champion, keep or propose. It never signs.")
    one.add_argument("file", type=Path, metavar="FILE")
    one.add_argument("--minutes", type=_minutes, metavar="M", help="minutes of the whole night")
    one.add_argument("--notify", action="append", default=[], metavar="URL", help="tell this address too (Apprise)")
    keys = "whose signature makes a champion (default: policies/trust.yaml)"
    one.add_argument("--trust", type=Path, metavar="FILE", help=keys)
    one.add_argument("--schedule", choices=("cron", "systemd"), help="print the entry to install, and run nothing")
    one.add_argument("--history", action="store_true", help="show the nights so far, and run nothing")

    _about(verb)
    return top


def _about(verb: Callable[[str, str], argparse.ArgumentParser]) -> None:
    """The verbs that say what there is."""
    one = verb("list", "What an experiment file can name: every room's plugins and their options.")
    one.add_argument("room", nargs="?", metavar="ROOM")

    verb("doctor", "What this machine can measure and run, and how to get the rest.")
    one = verb("completion", "Print the script by which a shell completes verbs and options.")
    one.add_argument("shell", choices=SHELLS)


def _init(one: argparse.ArgumentParser) -> None:
    """What ``init`` takes; what is left out is asked on a terminal where it cannot be known."""
    one.add_argument("table", type=Path, metavar="TABLE", help=".csv or .parquet: one row an example, with its label")
    one.add_argument("--target", metavar="COLUMN", help="what is predicted")
    one.add_argument("--group", action="append", metavar="COLUMN", help="audited; may be given again")
    one.add_argument("--no-groups", action="store_true", help="audit no groups: no gap between people is looked at")
    teacher = "an estimator's import path, a saved file (.skops, .onnx, .pt2 …), a model's folder, or its predictions"
    one.add_argument("--teacher", metavar="WHAT", help=teacher)
    one.add_argument("--positive", metavar="CLASS", help="of two classes, the one that rates speak of")
    one.add_argument("--task", choices=("classification", "regression"), help="default: what the target looks like")
    one.add_argument("--drop", action="append", default=[], metavar="COLUMN", help="no feature; may be given again")
    one.add_argument("--entity", metavar="COLUMN", help="who a row is of, such as a patient: never in two splits")
    one.add_argument("--row-id", metavar="COLUMN", help="names each row, to match a table of the teacher's predictions")
    one.add_argument("--input", metavar="COLUMN", help="the column of texts, pictures, sounds or series, if that is it")
    one.add_argument("--minutes", type=_minutes, default=3.0, metavar="M", help="the search's budget (default: 3)")
    one.add_argument("--trust", action="store_true", help="unpickle a saved teacher: its maker can run code here")
    one.add_argument("--out", type=Path, metavar="FILE", help="the experiment file (default: TABLE's name, .yaml)")
    one.add_argument("--force", action="store_true", help="write over files that are there")


def _report(one: argparse.ArgumentParser) -> None:
    """What ``report`` takes."""
    one.add_argument("run", type=Path, metavar="RUN")
    again = "judge the run again under this policy: a look is paid"
    one.add_argument("--policy", type=Path, metavar="FILE", help=again)
    one.add_argument("--out", type=Path, metavar="DIR", help="where that goes (default: RUN/policies/DIGEST)")
    one.add_argument("--track", metavar="URI", help="copy the run to this MLflow address too (idempotent)")
    prints = "print it as a PDF too, through a Chromium of this machine (default: RUN/report.pdf)"
    one.add_argument("--pdf", nargs="?", const="", metavar="FILE", help=prints)


def _audit(one: argparse.ArgumentParser) -> None:
    """What ``audit`` takes: the part that each column plays."""
    one.add_argument("table", type=Path, metavar="TABLE")
    one.add_argument("--policy", type=Path, required=True, metavar="FILE", help="what is acceptable")
    one.add_argument("--label", required=True, metavar="COLUMN", help="what is true")
    saying = "decisions, probabilities of the positive class, or 'PREFIX_*': one column of probabilities a class"
    one.add_argument("--teacher", required=True, metavar="COLUMN", help=saying)
    one.add_argument("--student", required=True, metavar="COLUMN", help="as the teacher")
    one.add_argument("--group", action="append", default=[], metavar="COLUMN", help="audited; may be given again")
    one.add_argument("--cross", action="append", default=[], metavar="A,B", help="audit intersections of these groups")
    one.add_argument("--id", metavar="COLUMN", help="who a row is (default: its place and content)")
    one.add_argument("--cluster", metavar="COLUMN", help="what rows share, such as a patient")
    one.add_argument("--control", metavar="COLUMN", help="the student's twin without distillation, as the teacher")
    saw = "none: no row was in the teacher's training; only then are origins of gaps named"
    one.add_argument("--teacher-saw", choices=("none", "unknown"), default="unknown", metavar="none|unknown", help=saw)
    one.add_argument("--positive", metavar="CLASS", help="the class that rates speak of (default: 1 or true)")
    one.add_argument("--favourable", metavar="CLASS", help="the class that people want (default: the positive)")
    one.add_argument("--threshold", type=float, metavar="P", help="of the positive probability (default: 0.5)")
    one.add_argument("--task", choices=("classification", "regression"), default="classification")
    one.add_argument("--out", type=Path, metavar="DIR", help="the report's folder (default: reports/NAME of the table)")


def _deciding(verb: Callable[[str, str], argparse.ArgumentParser]) -> None:
    """The verbs of those who decide and of those who check it."""
    one = verb("sign", "Open the sealed split (counted) and sign the decision about a run, or revoke one.")
    one.add_argument("run", type=Path, metavar="RUN")
    one.add_argument("--key", type=Path, required=True, metavar="FILE", help="the approver's private key")
    one.add_argument("--by", required=True, metavar="NAME", help="who decides")
    one.add_argument("--role", required=True, metavar="ROLE", help="in which role")
    decisions = ("approved", "approved-with-conditions", "rejected", "revoked")
    one.add_argument("--decision", required=True, choices=decisions)
    one.add_argument("--waive", action="append", metavar="FINDING_ID", help="accept a test that did not pass")
    one.add_argument("--because", metavar="TEXT", help="the reason of a waiver, a rejection or a revocation")
    one.add_argument("--until", metavar="YYYY-MM-DD", help="when the waivers end")
    one.add_argument("--condition", action="append", metavar="TEXT", help="what must be kept to")
    one.add_argument("--expires", default="365d", metavar="DAYS", help="how long the decision holds (default: 365d)")
    one.add_argument("--trust", type=Path, default=Path("policies/trust.yaml"), metavar="FILE", help="whose keys count")
    one.add_argument("--anyway", action="store_true", help="open the sealed split although it will hardly decide")
    one.add_argument("--track", metavar="URI", help="move the model's alias signed-off at this MLflow address")

    one = verb("keygen", "Make an approver's key pair, or show the auditor's key of this machine.")
    one.add_argument("--out", type=Path, metavar="FILE", help="where the private key goes (default: approver.pem)")
    one.add_argument("--name", metavar="NAME", help="whose key it is")
    one.add_argument("--auditor", action="store_true", help="this machine's own key, which signs facts")

    one = verb("verify", "Recompute digests, chain, signatures and verdict; 0 valid, 1 refused.")
    one.add_argument("what", metavar="RUN|FILE|models:/NAME@ALIAS")
    one.add_argument("--trust", type=Path, default=Path("policies/trust.yaml"), metavar="FILE", help="whose keys count")
    one.add_argument("--ledger", type=Path, default=Path("reports"), metavar="DIR", help="the folder of ledger.jsonl")
    one.add_argument("--head", metavar="INDEX:SHA256", help="a head of the ledger that was kept outside")
    one.add_argument("--deep", action="store_true", help="compute the findings again from the kept predictions")
    one.add_argument("--data", action="store_true", help="hash the table too")
    one.add_argument("--track", default="sqlite:///mlflow.db", metavar="URI", help="where models:/ is looked up")
    mend = "first cut off the ledger's torn last line; where no signed head covers it, vouch for it by hand (earlier "
    mend += "decisions, aliases and pages do not stand then)"
    one.add_argument("--repair", action="store_true", help=mend)
