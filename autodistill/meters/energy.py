"""Energy of one inference, by a model of its operations: a floor, not what a socket draws.

E = Σ MAC · e_mac(type) + weight bytes · e(level) + activation bytes · e_sram, on the graph that ONNX Runtime executes.
Coefficients: M. Horowitz, "Computing's energy problem", ISSCC 2014 (45 nm); N. Jouppi et al., "Ten lessons from three
generations", ISCA 2021, table 2 (7 nm). The two rows are the interval, their geometric mean the value. A tree costs its
expected node visits, each one fp32 addition and 24 bytes; a look-up the bytes of its keys: those two rules are ours.
Only ratios and rankings are claimed, with how stable they are (``stability``).

Anything of the form constant × time would be latency again, and is not offered.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np

from autodistill.errors import ArtefactError
from autodistill.meters import Absent, Bench
from autodistill.records import Reading
from autodistill.runtime.trees import NODE_BYTES
from autodistill.runtime.work import Work

L2_BYTES = 1 << 20  # the table's larger SRAM: what fits stays there between calls
PICOJOULES: Mapping[str, tuple[float, float]] = {  # (7 nm, 45 nm)
    "fp32_mac": (1.69, 4.6),
    "fp16_mac": (0.50, 1.5),
    "int8_mac": (0.10, 0.3),
    "fp32_add": (0.38, 0.9),
    "sram_byte": (0.94, 1.25),
    "l2_byte": (1.75, 12.5),
    "dram_byte": (162.5, 162.5),
}
METHOD = "operations of the executed graph × published energies (Horowitz 2014, Jouppi 2021)"
MEASURED = "processor or device energy counter"
POWERCAP = Path("/sys/class/powercap")


@dataclass(frozen=True)
class Energy:
    """Energy a row, in µJ. ``tier`` modelled counts operations; measured asks a counter and never falls back."""

    tier: Literal["modelled", "measured"] = "modelled"

    unit: ClassVar[str] = "µJ"
    limits: ClassVar[tuple[str, ...]] = ("at_most", "at_most_ratio")

    def read(self, artefact: Path, bench: Bench) -> tuple[Reading, ...]:
        """energy (µJ a row), shown everywhere as ``column(tier)``."""
        if self.tier == "measured":
            found = any(POWERCAP.glob("*rapl*")) if POWERCAP.is_dir() else False
            reason = "this version reads no energy counter" if found else "no energy counter answers on this machine"
            return (Absent(unit="µJ", method=MEASURED, device=bench.device).reading("energy", reason),)
        absent = Absent(unit="µJ", method=METHOD, device=bench.device, source="modelled")
        try:
            work = bench.work(artefact)
        except ArtefactError as error:
            return (absent.reading("energy", str(error)),)
        if work.unknown:
            return (absent.reading("energy", f"no rule counts the work of {', '.join(work.unknown)}"),)
        amounts = components(work)
        low, high = (sum(n * PICOJOULES[name][node] for name, n in amounts.items()) * 1e-6 for node in (0, 1))
        reading = Reading(
            quantity="energy", unit="µJ", value=(low * high) ** 0.5, low=low, high=high, repeats=1, method=METHOD,
            device=bench.device, source="modelled",
            details={"components": amounts, "tree_visits": work.tree_visits, "key_bytes": work.key_bytes},
        )  # fmt: skip
        return (reading,)


def column(tier: str) -> str:
    """The name of the energy column, which says how it came about."""
    return f"energy_uJ.{tier}"


def components(work: Work) -> dict[str, float]:
    """How often a row pays each coefficient of ``PICOJOULES``."""
    amounts = {f"{kind}_mac": float(number) for kind, number in work.macs.items()}
    amounts["fp32_add"] = work.tree_visits
    amounts["sram_byte"] = work.activation_bytes + work.key_bytes
    for held, moved in ((work.weights, work.weight_bytes), (work.tree_bytes, work.tree_visits * NODE_BYTES)):
        level = "l2_byte" if held <= L2_BYTES else "dram_byte"
        amounts[level] = amounts.get(level, 0.0) + moved
    return {name: number for name, number in sorted(amounts.items()) if number}


def stability(readings: Sequence[Reading], draws: int = 200, seed: int = 0) -> dict[str, Any]:
    """Does the ranking survive wrong coefficients? Kendall's τ between the modelled ranking and that with every
    coefficient multiplied by its own factor, log-uniform in [1/3, 3]: its median and 5th percentile over draws."""
    from scipy.stats import kendalltau  # not on the path of the verb that runs on small devices

    known = [reading.details["components"] for reading in readings if reading.value is not None]
    counts = np.array([[one.get(name, 0.0) for name in PICOJOULES] for one in known])
    if len(known) < 3:
        return {"n": len(known), "reason": "a ranking needs three artefacts"}
    nominal = np.array([(low * high) ** 0.5 for low, high in PICOJOULES.values()])
    factors = 3.0 ** np.random.default_rng(seed).uniform(-1, 1, (draws, nominal.size))
    ranked = counts @ nominal
    taus = np.array([kendalltau(ranked, counts @ (nominal * factor)).statistic for factor in factors])
    taus = taus[np.isfinite(taus)]
    if taus.size == 0:
        return {"n": len(known), "reason": "all artefacts cost the same"}
    return {"n": len(known), "median": float(np.median(taus)), "low": float(np.percentile(taus, 5)), "draws": draws}
