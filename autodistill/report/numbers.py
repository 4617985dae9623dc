"""Numbers as a person reads them: a unit, a sensible number of digits, a true minus sign, and never a blank."""

import math

from autodistill.records import Reading

NARROW = "\u202f"  # narrow no-break space: keeps a number and its unit on one line
MISSING = "not recorded"

TITLES = {
    "latency": "Latency, one row a call",
    "latency@32": "Latency, 32 rows a call, per row",
    "latency_ratio": "Latency, × teacher (interleaved)",
    "size": "Size of the file",
    "parameters": "Parameters",
    "macs": "Multiply-accumulates a row",
    "peak_memory": "Peak memory",
    "runtime_floor": "Floor of the runtime",
}
SCALES: dict[str, tuple[tuple[float, str], ...]] = {
    "us": ((1e3, "ms"), (1.0, "µs")),
    "s": ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs")),
    "bytes": ((1e6, "MB"), (1e3, "kB"), (1.0, "bytes")),
    "uJ": ((1.0, "µJ"), (1e-3, "nJ"), (1e-6, "pJ")),
}
UNITS = {"µs": "us", "μs": "us", "B": "bytes", "µJ": "uJ", "μJ": "uJ", "ratio": "×", "count": "", "1": ""}


def title(quantity: str) -> str:
    """A quantity's name in words; the tier of an energy (``energy_uJ.modelled``) stays in sight."""
    if quantity.startswith("energy"):
        tier = quantity.partition(".")[2]
        words = {"modelled": "estimated: modelled", "measured": "measured"}.get(tier, tier or "tier not recorded")
        return f"Energy a row ({words})"
    return TITLES.get(quantity) or quantity.rpartition(".")[2].replace("_", " ")  # a dotted name is somebody's own


def digits(value: float, significant: int = 3) -> str:
    """A number with so many significant digits, no exponent in the common range, thousands apart."""
    if value == 0 or not math.isfinite(value):
        return "0" if value == 0 else str(value)
    size = abs(value)
    if size < 1e-4 or size >= 1e9:
        text = f"{value:.{significant - 1}e}"
    else:
        places = max(0, significant - 1 - math.floor(math.log10(size)))
        text = f"{round(value, places):,.{places}f}"
    return text.replace(",", NARROW).replace("-", "−")


def alike(value: float, size: float) -> str:
    """A number with the decimals that three digits of ``size`` have, so that a value and its limits line up."""
    if not size or not math.isfinite(size) or not 1e-4 <= abs(size) < 1e9:
        return digits(value)
    places = max(0, 2 - math.floor(math.log10(abs(size))))
    text = f"{value:,.{places}f}"
    return (
        (text[1:] if text.startswith("-") and not float(text.replace(",", "")) else text)
        .replace(",", NARROW)
        .replace("-", "−")
    )


def count(value: float | None) -> str:
    """A whole number, thousands apart."""
    return MISSING if value is None else f"{round(value):,}".replace(",", NARROW).replace("-", "−")


def fixed(value: float, places: int = 1) -> str:
    """A number with so many decimals; minus zero is zero."""
    text = f"{value:.{places}f}"
    return (text[1:] if float(text) == 0 and text.startswith("-") else text).replace("-", "−")


def percent(value: float | None, places: int = 1) -> str:
    """A share as a percentage."""
    return MISSING if value is None else f"{fixed(100 * value, places)}{NARROW}%"


def points(value: float | None, places: int = 1) -> str:
    """A difference of shares in percentage points."""
    if value is None:
        return MISSING
    text = fixed(100 * value, places)
    return f"{text}{NARROW}point{'' if text in {'1.0', '−1.0'} else 's'}"


def scale(unit: str, value: float) -> tuple[float, str]:
    """The divisor and the name of the unit in which this value reads best."""
    unit = UNITS.get(unit, unit)
    steps = SCALES.get(unit, ((1.0, unit),))
    return next((step for step in steps if abs(value) >= step[0]), steps[-1] if value else steps[0])


def value(reading: Reading | None) -> str:
    """A reading's value with its unit, or why there is none."""
    if reading is None:
        return MISSING
    if reading.value is None:
        return f"unavailable: {reading.reason or 'no reason recorded'}"
    by, unit = scale(reading.unit, reading.value)
    whole = unit in {"bytes", ""} and reading.value == round(reading.value)
    number = count(reading.value) if whole else digits(reading.value / by)
    return f"{number}{NARROW}{unit}" if unit else number


def spread(reading: Reading | None) -> str:
    """A reading's interval in the unit of its value; empty where the quantity is exact or absent."""
    if reading is None or reading.value is None or reading.low is None or reading.high is None:
        return ""
    by, _ = scale(reading.unit, reading.value)
    return f"[{digits(reading.low / by)}, {digits(reading.high / by)}]"


def ratio(student: float | None, teacher: float | None) -> str:
    """Student over teacher, as a factor and in words: ``0.016 × (63 times smaller)`` without the noun."""
    if student is None or teacher is None:
        return MISSING
    if teacher == 0:
        return "the teacher's is 0"
    return f"{digits(student / teacher, 2)}{NARROW}×"


def seconds(value: float | None) -> str:
    """A duration: 850 ms, 12.3 s, 4 min 10 s, 2 h 05 min."""
    if value is None:
        return MISSING
    if value < 1:
        return f"{digits(1000 * value, 2)}{NARROW}ms"
    if value < 100:
        return f"{digits(value)}{NARROW}s"
    whole = round(value)
    if whole < 3600:
        return f"{whole // 60}{NARROW}min {whole % 60}{NARROW}s"
    return f"{whole // 3600}{NARROW}h {whole % 3600 // 60:02d}{NARROW}min"
