"""How long a call takes, by runs of fresh processes that are spread in time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import exp, log, sqrt
from pathlib import Path
from statistics import fmean, stdev
from typing import Any, ClassVar, Literal

from autodistill.meters import Absent, Bench, Run
from autodistill.records import Reading

APART = 10.0  # seconds between runs that count as two: a machine is slow for seconds at a time
GATE = 1.08  # of the reference's best: slower, and the run was in a slow phase
SINGLE = 1.15  # ×/÷ around what one run says
CLOSEST = 1.02  # ×/÷ at least, however well runs agree: fresh processes differ by about 1 %
QUIET = 0.1  # other processors' load up to which a 95th percentile is worth reading
MANY = 32
T_975 = {2: 4.303, 3: 3.182, 4: 2.776, 5: 2.571, 6: 2.447, 7: 2.365, 8: 2.306, 9: 2.262}  # by degrees of freedom
METHOD = "p10 of clean calls in a fresh process, minimum over accepted runs"
RATIO = "interleaved in one process, geometric mean over accepted runs"

Status = Literal["ok", "few_accepted", "slow_phase_only"]


@dataclass(frozen=True)
class Latency:
    """Time of one call at the study's batch size, of one row at batch 32, against the teacher's, and the floor of the
    runtime itself."""

    unit: ClassVar[str] = "µs"
    limits: ClassVar[tuple[str, ...]] = ("at_most", "at_most_ratio")

    def read(self, artefact: Path, bench: Bench) -> tuple[Reading, ...]:  # noqa: ARG002 — the bench ran it
        """latency, latency@32 (a row), latency_ratio (of the teacher's), runtime_floor (a one-Relu graph)."""
        runs = bench.runs
        accepted = [run for run in runs if is_accepted(run, bench.best(run.at))]
        slow = _slowness(runs, bench) if not accepted else 1.0
        context = _Context(bench=bench, runs=runs, accepted=accepted, slow=slow)
        return (
            context.time("latency", "artefact", bench.batch, 1),
            context.time(f"latency@{MANY}", f"artefact@{MANY}", MANY, MANY),
            context.ratio(),
            context.time("runtime_floor", "floor", 1, 1),
        )


def is_accepted(run: Run, best: float | None) -> bool:
    """Whether the reference ran at its own speed in that process."""
    reference = run.value("reference")
    return reference is not None and best is not None and reference <= GATE * best


def spread(times: Sequence[float]) -> int:
    """How many runs lie at least ``APART`` seconds from the one counted before."""
    count, last = 0, float("-inf")
    for at in sorted(times):
        if at - last >= APART:
            count, last = count + 1, at
    return count


def is_complete(readings: Mapping[str, Reading]) -> bool:
    """Whether another run would change no status."""
    asked = [readings[name] for name in ("latency", "latency_ratio") if name in readings]
    return all(reading.status in {"ok", "unavailable"} for reading in asked)


def _slowness(runs: Sequence[Run], bench: Bench) -> float:
    """How much slower than its best the reference was in the least slow run."""
    pairs = [(run.value("reference"), bench.best(run.at)) for run in runs]
    return min((mine / best for mine, best in pairs if mine and best), default=1.0)


@dataclass(frozen=True, kw_only=True)
class _Context:
    bench: Bench
    runs: Sequence[Run]
    accepted: Sequence[Run]
    slow: float

    def _absent(self, quantity: str, unit: str, method: str, model: str) -> Reading:
        errors = [run.models[model]["error"] for run in self.runs if "error" in run.models.get(model, {})]
        reason = errors[-1] if errors else self.bench.failure or "no timing run yet"
        return Absent(unit=unit, method=method, device=self.bench.device).reading(quantity, reason)

    def _counted(self, model: str) -> tuple[list[Run], int]:
        """The runs that count for a model, and how many of them are accepted and apart."""
        accepted = [run for run in self.accepted if run.value(model) is not None]
        return accepted or [run for run in self.runs if run.value(model) is not None], spread([r.at for r in accepted])

    def _status(self, apart: int, enough: int) -> Status:
        return "ok" if apart >= enough else "few_accepted" if apart else "slow_phase_only"

    def time(self, quantity: str, model: str, batch: int, rows: int) -> Reading:
        """The minimum over accepted runs, divided by ``rows``; its interval comes from runs, never from samples."""
        counted, apart = self._counted(model)
        if not counted:
            return self._absent(quantity, "µs", METHOD, model)
        values = [(run.value(model) or 0.0) / rows for run in counted]
        value, status = min(values), self._status(apart, 2)
        factor = max(max(values) / value, CLOSEST if status == "ok" else SINGLE)
        best = counted[values.index(value)]
        return Reading(
            quantity=quantity,
            unit="µs",
            value=value,
            low=value / factor / self.slow,
            high=value * factor,
            repeats=len(self.runs),
            method=METHOD,
            device=self.bench.device,
            status=status,
            reason="" if status == "ok" else f"{apart} of 2 accepted runs at least {APART:g} s apart",
            details=self._details(best, model, rows) | {"batch": batch, "per": "row" if rows > 1 else "call"},
        )

    def _details(self, best: Run, model: str, rows: int) -> dict[str, Any]:
        seen = best.models[model]
        quiet = best.other_load is not None and best.other_load <= QUIET
        return {
            "p50": seen["p50"] / rows,
            "p95": seen["p95"] / rows,
            "p95_contaminated": not quiet,
            "clock": seen["clock"],
            "dropped": seen["dropped"],
            "half_width": seen["half_width"],
            "rows": seen["rows"],
            "accepted": len(self.accepted),
            "pinned": best.pinned,
            "counts_preemption": best.counts_preemption,
            "slow_phase": self.slow,
        }

    def ratio(self) -> Reading:
        """Times the teacher's latency; its own interval over processes (Student's t on logarithms, ≥ 3 of them)."""
        if self.bench.is_teacher:
            return Reading(
                quantity="latency_ratio", unit="1", value=1.0, low=1.0, high=1.0, method="the teacher itself",
                device=self.bench.device,
            )  # fmt: skip
        absent = Absent(unit="1", method=RATIO, device=self.bench.device)
        if not self.bench.teacher:
            return absent.reading("latency_ratio", "there is no teacher artefact to run beside it")
        both = [run for run in self.runs if run.teacher == self.bench.teacher and run.value("artefact") is not None]
        both = [run for run in both if run.value("teacher") is not None]
        if not both:
            return self._absent("latency_ratio", "1", RATIO, "teacher")
        accepted = [run for run in both if run in self.accepted]
        apart = spread([run.at for run in accepted])
        status = self._status(apart, 3)
        logs = [log((run.value("artefact") or 0.0) / (run.value("teacher") or 1.0)) for run in accepted or both]
        value = exp(fmean(logs))
        if status == "ok":
            factor = max(exp(T_975.get(len(logs) - 1, 2.262) * stdev(logs) / sqrt(len(logs))), 1.0)
        else:
            factor = exp(max(abs(one - log(value)) for one in logs)) * SINGLE
        return Reading(
            quantity="latency_ratio", unit="1", value=value, low=value / factor, high=value * factor,
            repeats=len(both), method=RATIO, device=self.bench.device, status=status,
            reason="" if status == "ok" else f"{apart} of 3 accepted runs at least {APART:g} s apart",
            details={"accepted": len(accepted)},
        )  # fmt: skip
