"""The experiment file and the policy as a person reads them: what was chosen, and in comments by which numbers."""

import textwrap
from collections.abc import Mapping
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from autodistill.draft import spaces
from autodistill.draft.assumed import MANY, SPREAD
from autodistill.draft.flow import WIDE, flow, listed, said, text
from autodistill.records import Dataset

if TYPE_CHECKING:
    from autodistill.draft.drafting import Plan
    from autodistill.draft.lines import Margin

SHARES = "{train: 0.4, search: 0.15, audit: 0.225, sealed: 0.225}"
CONVERTED = {"sklearn": "skl2onnx", "lightgbm": "onnxmltools", "xgboost": "onnxmltools", "catboost": "catboost"}


def experiment(plan: "Plan") -> str:
    """The experiment file."""
    dataset = plan.dataset
    kind = plan.data.input[0]
    lines = [
        f"# Written by `autodistill init` for {said(str(plan.table))}: {len(dataset.y):,} rows. Yours to change.",
        f"name: {plan.name}",
        "seed: 0",
        "# What a sign-off asks for in words (`autodistill check` lists what is missing):",
        '# purpose: "…"',
        '# owner: "…"',
        '# out_of_scope: "…"',
        "",
        "data:",
        *_data(plan),
        "",
        f"# {plan.teacher.says}",
        *_teacher(plan),
        "",
        "student:                               # one value is fixed, a list is a choice, low and high are a range",
        *(f"  - {listed_map(one)}" for one in spaces.students(kind, dataset)),
        "",
        "distill:",
        f"  loss: {flow(spaces.losses(dataset))}             # none: the student without its teacher, to compare with",
    ]
    if dataset.classes:
        lines.append("  temperature: {low: 1.0, high: 8.0}")
    lines += [
        "  teacher_weight: {low: 0.0, high: 1.0}",
        "  learning_rate: {low: 1e-3, high: 2e-2, log: true}",
        "  epochs: 20",
        f"  batch_size: {spaces.batch(dataset)}",
        "",
        "objectives: [error, latency, size]     # all made small; energy is another",
        "measure: {batch: 1, threads: 1}        # as the student will be called",
        f"budget: {{minutes: {plan.choices.minutes:g}}}",
        f"policy: {text(str(plan.policy_path))}",
        'track: {mlflow: "sqlite:///mlflow.db"} # a copy of the search for MLflow; {} for none',
    ]
    return "\n".join(lines) + "\n"


def _data(plan: "Plan") -> list[str]:
    asked, dataset = plan.data, plan.dataset
    lines = [f"  table: {text(str(asked.table))}"]
    if asked.input[0] != "tabular":
        lines.append(f"  input: {flow({'kind': asked.input[0], **asked.input[1]})}")
    lines.append(f"  target: {text(asked.target)}")
    if not dataset.classes:
        lines += [
            "  task: regression",
            '  # unit: "…"                          # what the target counts: the report says it beside each error',
        ]
    if asked.positive is not None:
        lines.append(f"  positive: {_quoted(asked.positive)}   # the class that true and false positive rates speak of")
    if asked.groups:
        lines.append("  groups:                              # audited, and kept out of the features")
        lines += [_group(one.column, one.merge, dataset) for one in asked.groups]
    if asked.entity is not None:
        lines.append(f"  entity: {text(asked.entity)}   # whose a row is: nobody's rows stand in two splits")
    if asked.row_id is not None:
        lines.append(f"  row_id: {text(asked.row_id)}")
    if plan.left_out:
        lines += [f"  # {said(name)}: {said(why)}" for name, why in plan.left_out.items()]
        lines.append(f"  drop: [{listed(list(plan.left_out), 9)}]")
    sizes = ", ".join(f"{name} {len(at):,}" for name, at in dataset.splits.items())
    return [*lines, f"  # {sizes} rows", f"  split: {SHARES}"]


def _group(name: str, merge: Mapping[str, Any], dataset: Dataset) -> str:
    at = dataset.splits["audit"]
    column = dataset.groups[name][at].tolist()
    sizes = ", ".join(f"{said(one) or '(unknown)'} {column.count(one):,}" for one in sorted(set(column)))
    put = " (small groups were put together: alone they cannot be judged)" if merge else ""
    item = flow({"column": name, "merge": {k: list(v) for k, v in merge.items()}}) if merge else text(name)
    return f"    # {said(name)}: {sizes} audit rows{put}\n    - {item}"


def _quoted(value: str) -> str:
    """A class in quotes, so that nobody wonders whether 1 is a number here."""
    return flow(value) if flow(value).startswith('"') else f'"{value}"'


def _teacher(plan: "Plan") -> list[str]:
    teacher = plan.teacher
    lines = [f"teacher: {flow({'kind': teacher.kind, **teacher.options})}"]
    if teacher.fitted:
        lines.append("# Its own options go beside it: {kind: sklearn, estimator: …, n_estimators: 200, max_depth: 5}")
    else:
        lines.append("# Whether it was fitted on these rows is not known: add `saw: no`, if it has seen none of them.")
    return lines


def listed_map(one: Mapping[str, Any]) -> str:
    """A mapping in flow style, its parts broken over lines where it is long."""
    parts = [flow({key: value})[1:-1] for key, value in one.items()]
    lines, line = [], "{"
    for at, part in enumerate(parts):
        more = part + (", " if at + 1 < len(parts) else "}")
        if len(line) > 1 and len(line) + len(more) > 112:
            lines.append(line.rstrip())
            line = " "
        line += more
    return "\n    ".join([*lines, line])


def comment(words: str) -> list[str]:
    """Words as lines of comment."""
    return [f"# {line}" for line in textwrap.wrap(words, WIDE - 2, break_long_words=False, break_on_hyphens=False)]


def policy(plan: "Plan") -> str:
    """The policy."""
    found, dataset = plan.margins, plan.dataset
    lines = [
        *comment(
            f"Written by `autodistill init` for {said(str(plan.table))}, before any student was trained. The limits "
            "are a proposal: the tightest sensible ones that these rows can certify. What is acceptable is the policy "
            "owner's to say; a limit tighter than the rows can certify is answered with INCONCLUSIVE, never with PASS."
        ),
        "#",
        *comment(f"The audit split has {found.audit:,} rows. Beside each limit stand the fewest rows that it rests on, "
                 f"and {_assumption(plan)}"),
        "",
        f"name: {plan.name}",
        'version: "1"',
        "confidence: 0.95                 # each PASS is a one-sided test at 5 %",
        "choose: size                     # among the accepted, the smallest file",
        _looks(found.looks),
        "",
        "require:",
        *(_line(one) for one in found.lines if one.limit is not None),
    ]  # fmt: skip
    if dataset.classes:
        lines.append("  - {check: class_collapse}        # no class may vanish from the answers")
    lines += ["  # What the exchange is for:", *_meters(plan)]
    lines += ["", "report:                          # computed and shown; no verdict"]
    lost = [one for one in found.lines if one.limit is None]
    lines += [f"  # {said(one.wanted.about)}: {said(one.why)}\n  - {_check(one)}" for one in lost]
    lines += [f"  - {{check: {one}}}" for one in _shown(plan)]
    if dataset.groups and dataset.positive is not None:
        lines += comment(
            "An absolute limit of a gap (at_most beside grows_by_at_most) binds the teacher's own gap as well: look at "
            "the first report before you set one."
        )
    return "\n".join(lines) + "\n"


def _shown(plan: "Plan") -> tuple[str, ...]:
    """What is reported beside what is required; of a regression the other of its two usual errors."""
    if plan.dataset.classes:
        return ("calibration", "churn")
    other = "mae" if plan.margins.lines[0].wanted.options["metric"] == "rmse" else "rmse"
    return (f"score_loss, metric: {other}",)


def _looks(looks: int) -> str:
    once = "these rows are judged once: a second search on them decides nothing"
    often = f"times that these audit rows may be judged; each time has 5 % / {looks}"
    return f"looks: {looks}                         # {once if looks == 1 else often}"


def _assumption(plan: "Plan") -> str:
    found = plan.margins
    level = f"at α = {found.level:.2g}, the level of the first of a shortlist of five"
    if found.together is None:
        return (
            f"it is so wide that a student that loses nothing passes nine times of ten {level}, if a row adds "
            f"{SPREAD:g} standard deviations of the target to the difference of errors (assumed, not measured). "
            f"Below {MANY} rows the error is the mean absolute one: a root mean squared one of so few rests on a few "
            "of them, and then decides nothing."
        )
    return (
        f"how often a student that neither gains nor loses passes it {level}, as `autodistill check` computes it. "
        f"All required tests together: {100 * found.together:.0f} %."
    )


def _line(one: "Margin") -> str:
    power = "" if one.power is None else f", {100 * one.power:.0f} %"
    doubt = f"  # {said(one.why)}: expect INCONCLUSIVE\n" if one.why else ""
    return f"{doubt}  - {_check(one)}   # {one.rows:,} rows{power}"


def _check(one: "Margin") -> str:
    limit = {} if one.limit is None else {one.wanted.limit_kind: one.limit}
    return flow({"check": one.wanted.check, **one.wanted.options, **limit})


def _meters(plan: "Plan") -> list[str]:
    if not timed(plan):
        return [
            "  # (the teacher has no artefact to compare with here; a ratio to it could not be read)",
            "  - {meter: size, at_most: 200 kB}",
        ]
    return [
        "  - {meter: latency, at_most_ratio: 1.0}   # no slower than the teacher in the same runtime",
        "  - {meter: size, at_most_ratio: 0.5}      # and at most half as large",
    ]


def timed(plan: "Plan") -> bool:
    """Whether the teacher will have an artefact: estimators only of libraries that can be converted here."""
    if plan.teacher.kind != "sklearn":
        return plan.teacher.timed
    library = str(plan.teacher.options["estimator"]).partition(".")[0]
    saved = str(plan.teacher.options["estimator"]).endswith((".skops", ".joblib", ".pkl", ".pickle"))
    return saved or (library in CONVERTED and find_spec(CONVERTED[library]) is not None)
