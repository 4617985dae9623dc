"""Numbers and their limits: score tests, shares, contrasts, and the records that carry counts. numpy and scipy only."""

from autodistill.stats.disparity import (
    LABELS,
    Gap,
    NormalGap,
    PairedGap,
    accounting,
    gap_bounds,
    gap_upper,
    growth_low,
    growth_upper,
    origins,
    thresholds,
)
from autodistill.stats.estimands import ClassCounts, Counts, Estimand, NotApplicable, PairedCounts, RowSums, Shares
from autodistill.stats.paired import mcnemar, paired_limits, paired_upper, tango_z
from autodistill.stats.shares import clopper_pearson, clopper_pearson_upper, katz, mover, newcombe, wilson, z_value
from autodistill.stats.tables import Evidence, Rows, Tables, encode_group, strata, tabulate

__all__ = [
    "LABELS",
    "ClassCounts",
    "Counts",
    "Estimand",
    "Evidence",
    "Gap",
    "NormalGap",
    "NotApplicable",
    "PairedCounts",
    "PairedGap",
    "RowSums",
    "Rows",
    "Shares",
    "Tables",
    "accounting",
    "clopper_pearson",
    "clopper_pearson_upper",
    "encode_group",
    "gap_bounds",
    "gap_upper",
    "growth_low",
    "growth_upper",
    "katz",
    "mcnemar",
    "mover",
    "newcombe",
    "origins",
    "paired_limits",
    "paired_upper",
    "strata",
    "tabulate",
    "tango_z",
    "thresholds",
    "wilson",
    "z_value",
]
