"""What a search itself draws, by codecarbon (the extra ``carbon``): its counters where the machine has them, else its
estimate from processor load. The only door to codecarbon."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Any

from autodistill.spec import Budget

NOWHERE = "USA"  # codecarbon wants a country before it starts; without one in the file only its energy is used
SECONDS = 5


@dataclass
class Footprint:
    """Reads of this process and its children from ``start`` on, added to what earlier processes of the search drew.

    ``spent`` has ``energy_wh`` and, where a country is named, ``co2e_g``; empty where nothing is read, and ``why``.
    """

    budget: Budget
    before: dict[str, float] = field(default_factory=dict)
    why: str = ""
    _tracker: Any = None
    _last: Any = None

    def start(self) -> None:
        """Begin to read, where the budget speaks of it and codecarbon is installed."""
        if not (self.budget.energy_wh or self.budget.co2e_g or self.budget.country):
            self.why = "not asked for: budget.country, energy_wh or co2e_g turns it on"
            return
        if find_spec("codecarbon") is None:
            self.why = "codecarbon is not installed: pip install 'autodistill-audit[carbon]'"
            return
        from codecarbon import OfflineEmissionsTracker
        from codecarbon.output import BaseOutput

        kept = self

        class Heard(BaseOutput):  # type: ignore[misc]
            """Keeps the latest total."""

            def out(self, total: Any, delta: Any) -> None:  # noqa: ARG002
                kept._last = total

            def live_out(self, total: Any, delta: Any) -> None:  # noqa: ARG002
                kept._last = total

        logging.getLogger("codecarbon").setLevel(logging.ERROR)
        self._tracker = OfflineEmissionsTracker(
            country_iso_code=self.budget.country or NOWHERE,
            log_level="error",
            output_methods=[],
            output_handlers=[Heard()],
            measure_power_secs=SECONDS,
            tracking_mode="process",
            allow_multiple_runs=True,
        )
        self._tracker.start()

    def stop(self) -> None:
        """End the reading; a second call does nothing."""
        if self._tracker is not None:
            self._tracker.stop()
            self._tracker = None

    def spent(self) -> Mapping[str, float]:
        """What was drawn so far, over all processes of the search."""
        if self._tracker is not None:
            self._tracker.flush()
        if self._last is None:
            return self.before
        found = {"energy_wh": 1000.0 * self._last.energy_consumed}
        if self.budget.country:
            found["co2e_g"] = 1000.0 * self._last.emissions
        return {name: value + self.before.get(name, 0.0) for name, value in found.items()}

    def exhausted(self) -> bool:
        """Whether a budget of energy or CO2e is used up."""
        limits = {"energy_wh": self.budget.energy_wh, "co2e_g": self.budget.co2e_g}
        asked = {name: limit for name, limit in limits.items() if limit is not None}
        return bool(asked) and any(self.spent().get(name, 0.0) >= limit for name, limit in asked.items())

    def told(self) -> dict[str, Any]:
        """For the report: the amounts, how they came about, or why there are none."""
        if self._last is None and not self.before:
            return {"reason": self.why or "not read"}
        made = {} if self._last is None else {"processor": self._last.cpu_model, "mode": self._last.tracking_mode}
        return {
            **{name: round(value, 4) for name, value in self.spent().items()},
            "method": "codecarbon",
            "source": "modelled",
            "country": self.budget.country,
            **made,
        }
