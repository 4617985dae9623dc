"""The machine as it is seen from here: processors, clock, counters, devices. Each line is there or says what lacks."""

import contextlib
import os
import time
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

POWERCAP = Path("/sys/class/powercap")
GOVERNOR = Path("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")
NVIDIA = (Path("/proc/driver/nvidia/version"), Path("/dev/nvidia0"), Path("/dev/dxg"))
LEAST_GIB = 2.0
LOOPS, WORK = 200, 2000
NOISY = 1.2  # 90th percentile over 10th of one fixed piece of work
VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")

State = Literal["ok", "absent", "broken"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Line:
    """One thing examined: there, absent (what would use it says so), or broken. ``do`` is how to get it."""

    name: str
    state: State
    said: str
    do: str = ""


def cores() -> Line:
    """How many processors this process may use."""
    every = os.cpu_count() or 1
    may = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else every
    some = "" if may == every else f" ({may} of them for this process)"
    if may == 1:
        do = "readings of latency are taken while nothing trains; a second core lets searches use workers"
        return Line(name="cores", state="ok", said=f"{every}{some}: one worker", do=do)
    return Line(name="cores", state="ok", said=f"{every}{some}")


def memory() -> Line:
    """Memory that is free for a search."""
    try:
        known = dict(line.split(":", 1) for line in Path("/proc/meminfo").read_text().splitlines())
        free = int(known["MemAvailable"].split()[0]) / 2**20
        whole = int(known["MemTotal"].split()[0]) / 2**20
    except (OSError, KeyError, ValueError):
        return Line(name="memory", state="absent", said="this system does not say", do="2 GiB free are enough to start")
    said = f"{free:.1f} of {whole:.1f} GiB free"
    if free < LEAST_GIB:
        return Line(name="memory", state="absent", said=said, do="free 2 GiB: training opens PyTorch")
    return Line(name="memory", state="ok", said=said)


def governor() -> Line:
    """Whether the processor's clock is left alone."""
    found = ""
    with contextlib.suppress(OSError):
        found = GOVERNOR.read_text().strip()
    if not found:
        said = "this machine does not say how its clock is governed (virtual machines and containers mostly do not)"
        return Line(name="clock speed", state="absent", said=said, do="judge by the line `quiet` below")
    if found == "performance":
        return Line(name="clock speed", state="ok", said="governor performance")
    do = "for steadier readings: sudo cpupower frequency-set -g performance"
    return Line(name="clock speed", state="absent", said=f"governor {found}: the clock changes with the load", do=do)


def noise() -> Line:
    """How steadily one fixed piece of work is done, now."""
    took = []
    for _ in range(LOOPS):
        began = time.perf_counter()
        sum(range(WORK))
        took.append(time.perf_counter() - began)
    took.sort()
    ratio = took[int(0.9 * LOOPS)] / took[int(0.1 * LOOPS)]
    said = f"the same work took {ratio:.2f} times as long at its 90th percentile as at its 10th ({LOOPS} times)"
    if ratio <= NOISY:
        return Line(name="quiet", state="ok", said=said)
    do = "stop other programs; readings carry their spread, and a slow phase is measured again"
    return Line(name="quiet", state="absent", said=said, do=do)


def clock() -> Line:
    """The timer that readings are taken with."""
    found = time.get_clock_info("perf_counter")
    step = 1e9 * found.resolution
    if step > 1000:
        do = "latencies of microseconds cannot be read here: measure on another machine"
        return Line(name="timer", state="absent", said=f"steps of {step:,.0f} ns", do=do)
    return Line(name="timer", state="ok", said=f"steps of {step:,.0f} ns ({found.implementation})")


def energy() -> Line:
    """A counter of the energy that the processor draws."""
    counters = sorted(POWERCAP.glob("*rapl*/energy_uj")) if POWERCAP.is_dir() else []
    modelled = "energy is modelled from operations, and called so"
    if not counters:
        said = f"no energy counter (RAPL) answers; {modelled}"
        return Line(name="energy counter", state="absent", said=said, do="a physical machine with Linux has one")
    if not any(os.access(one, os.R_OK) for one in counters):
        said = f"RAPL is there and may not be read; {modelled}"
        do = f"as root: chmod a+r {counters[0]}; this version does not read it yet"
        return Line(name="energy counter", state="absent", said=said, do=do)
    return Line(name="energy counter", state="ok", said=f"RAPL can be read, and this version does not yet: {modelled}")


def cuda() -> Line:
    """A graphics processor, and a PyTorch built for it; PyTorch itself is not opened."""
    built = _built()
    if not any(one.exists() for one in NVIDIA):
        return Line(name="CUDA", state="absent", said="no NVIDIA device; training runs on the processor")
    if not built:
        do = "install a PyTorch with CUDA: https://pytorch.org/get-started/locally"
        return Line(name="CUDA", state="absent", said="a device is there, this PyTorch is built without CUDA", do=do)
    return Line(name="CUDA", state="ok", said=f"a device is there, PyTorch is built for CUDA {built}")


def _built() -> str:
    """The version of CUDA that PyTorch was built for, from its own file of versions; "" for none."""
    torch = find_spec("torch")
    with contextlib.suppress(OSError):
        for line in (Path(str(torch.origin)).parent / "version.py").read_text().splitlines() if torch else ():
            if line.startswith("cuda") and "'" in line:
                return line.split("'")[1]
    return ""


def threads() -> Line:
    """How many threads the libraries beneath were told to use."""
    told = {name: os.environ[name] for name in VARIABLES if os.environ.get(name)}
    if told:
        return Line(name="threads", state="ok", said=", ".join(f"{name}={value}" for name, value in told.items()))
    do = "export OMP_NUM_THREADS=1 where several searches share a machine"
    return Line(name="threads", state="absent", said="no limit is set: libraries take every core", do=do)
