"""Contrasts between a group and its reference: how large for teacher and student, grown or inherited, and what to
call it. AUDIT §4 in the documentation; u is signed so that positive is harm to the group."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
import numpy.typing as npt

from autodistill.stats.paired import far_paired_limits, paired_limits
from autodistill.stats.shares import Floats, Limits, Numbers, clopper_pearson, mover, share_limits, z_value

CHANGE_SHARE, GAP_SHARE = 0.8, 0.2
"""How growth spends its level: 0.8 on the change, 0.2 on the student's own gap."""

LABELS = ("undetermined", "clear", "inherited", "amplified", "introduced", "introduced (reversed)", "mitigated")


class Gap(Protocol):
    """Contrasts u of teacher and student and their change D = u_S − u_T, [..., K], with limits at any level."""

    @property
    def teacher(self) -> Floats: ...
    @property
    def student(self) -> Floats: ...
    @property
    def change(self) -> Floats: ...
    def teacher_limits(self, level: Numbers) -> Limits:
        """Limits of u_T, each one-sided at ``level`` (broadcast against [..., K])."""

    def student_limits(self, level: Numbers) -> Limits:
        """Limits of u_S."""

    def change_limits(self, level: Numbers) -> Limits:
        """Limits of D."""


def _wider(one: Limits, other: Limits) -> Limits:
    return np.minimum(one[0], other[0]), np.maximum(one[1], other[1])


def signed(limits: Limits, harm: int) -> Limits:
    return limits if harm > 0 else (-limits[1], -limits[0])


@dataclass(frozen=True)
class PairedGap:
    """Contrasts of a share with a fixed denominator, from paired counts: ``group`` and ``rest`` [..., K, 2, 2] by
    (teacher has it, student has it). MOVER of ``share_limits`` for u, of guarded Tango limits for D."""

    group: Floats
    rest: Floats
    harm: int

    @cached_property
    def _n(self) -> tuple[Floats, Floats]:
        return self.group.sum(axis=(-2, -1)), self.rest.sum(axis=(-2, -1))

    def shares(self, axis: int) -> tuple[Floats, Floats, Floats, Floats]:
        """Counts and shares of group and rest, for the teacher (axis −1 is summed) or the student (−2)."""
        counts = tuple(
            (part[..., 1, :] if axis == -1 else part[..., :, 1]).sum(axis=-1) for part in (self.group, self.rest)
        )
        rates = tuple(x / np.where(n > 0, n, 1.0) for x, n in zip(counts, self._n, strict=True))
        return counts[0], counts[1], rates[0], rates[1]

    @cached_property
    def teacher(self) -> Floats:
        """u_T [..., K]."""
        return self._gap(-1)

    @cached_property
    def student(self) -> Floats:
        """u_S [..., K]."""
        return self._gap(-2)

    @cached_property
    def change(self) -> Floats:
        """D [..., K], from the discordant rows alone, so that equal decisions change nothing to the last digit."""
        group, rest = (
            (part[..., 0, 1] - part[..., 1, 0]) / np.where(n > 0, n, 1.0)
            for part, n in zip((self.group, self.rest), self._n, strict=True)
        )
        return np.asarray(self.harm * (group - rest))

    def _gap(self, axis: int) -> Floats:
        _, _, group, rest = self.shares(axis)
        return np.asarray(self.harm * (group - rest))

    def _gap_limits(self, axis: int, level: Numbers) -> Limits:
        x, y, first, second = self.shares(axis)
        limits = mover(first, share_limits(x, self._n[0], level), second, share_limits(y, self._n[1], level))
        return signed(limits, self.harm)

    def teacher_limits(self, level: Numbers) -> Limits:
        """Limits of u_T (Newcombe's, wider where a share is rare)."""
        return self._gap_limits(-1, level)

    def student_limits(self, level: Numbers) -> Limits:
        """Limits of u_S (Newcombe's, wider where a share is rare)."""
        return self._gap_limits(-2, level)

    def change_limits(self, level: Numbers) -> Limits:
        """Limits of D: two paired differences, each by Tango with the guard, combined."""
        return self._change_limits(level, paired_limits)

    def far_student_limits(self, level: Numbers) -> Limits:
        """Limits of u_S far in the tail: the wider of Newcombe's and of MOVER on Clopper–Pearson limits."""
        x, y, first, second = self.shares(-2)
        exact = mover(first, clopper_pearson(x, self._n[0], level), second, clopper_pearson(y, self._n[1], level))
        return _wider(self.student_limits(level), signed(exact, self.harm))

    def far_change_limits(self, level: Numbers) -> Limits:
        """Limits of D far in the tail."""
        return self._change_limits(level, far_paired_limits)

    def _change_limits(self, level: Numbers, limits: Callable[..., Limits]) -> Limits:
        # A level with axes of its own comes out in front of the contrasts.
        shape = np.broadcast_shapes(np.shape(level), self.change.shape)
        parts = (self.group, self.rest)
        b = np.stack([np.broadcast_to(part[..., 0, 1], shape) for part in parts])
        c = np.stack([np.broadcast_to(part[..., 1, 0], shape) for part in parts])
        n = np.stack([np.broadcast_to(total, shape) for total in self._n])
        low, high = limits(b, c, n, level)
        d = (b - c) / np.where(n > 0, n, 1.0)
        return signed(mover(d[0], (low[0], high[0]), d[1], (low[1], high[1])), self.harm)


@dataclass(frozen=True)
class NormalGap:
    """Contrasts with standard errors, for metrics whose denominator depends on the decisions: estimate ± z·SE.
    The points are the data's own, the errors from resampled tables."""

    teacher: Floats
    student: Floats
    change: Floats
    errors: tuple[Floats, Floats, Floats]

    def _around(self, centre: Floats, error: Floats, level: Numbers) -> Limits:
        half = z_value(level) * error
        return centre - half, centre + half

    def teacher_limits(self, level: Numbers) -> Limits:
        """u_T ± z·SE."""
        return self._around(self.teacher, self.errors[0], level)

    def student_limits(self, level: Numbers) -> Limits:
        """u_S ± z·SE."""
        return self._around(self.student, self.errors[1], level)

    def change_limits(self, level: Numbers) -> Limits:
        """D ± z·SE."""
        return self._around(self.change, self.errors[2], level)


def accounting(teacher: Numbers, student: Numbers) -> tuple[Floats, Floats, Floats]:
    """(inherited, grown, mitigated): |u_S| = inherited + grown and |u_T| = inherited + mitigated."""
    u_t, u_s = np.asarray(teacher, float), np.asarray(student, float)
    change = u_s - u_t
    grown = np.maximum(0.0, np.maximum(np.minimum(u_s, change), np.minimum(-u_s, -change)))
    mitigated = np.maximum(0.0, np.maximum(np.minimum(u_t, -change), np.minimum(-u_t, change)))
    return np.abs(u_s) - grown, grown, mitigated


def gap_bounds(limits: Limits) -> Limits:
    """Limits of |u| from the limits of u: high is the bound of the two one-sided tests, low is 0 unless u leaves 0."""
    low, high = limits
    return np.maximum(0.0, np.maximum(low, -high)), np.maximum(high, -low)


def growth_low(student: Limits, change: Limits) -> Floats:
    """Lower bound of growth from limits at one level: on some side both the gap and the change exceed it."""
    either = np.maximum(np.minimum(student[0], change[0]), np.minimum(-student[1], -change[1]))
    return np.maximum(0.0, either)


def growth_high(student: Limits, change: Limits) -> Floats:
    """Upper bound of growth, from the student's limits at 0.2 α and the change's at 0.8 α: on each side one of the two
    rules it out, so the level is α a side."""
    either = np.maximum(np.minimum(student[1], change[1]), np.minimum(-student[0], -change[0]))
    return np.maximum(0.0, either)


def far_limits(gap: Gap, level: Numbers) -> tuple[Limits, Limits]:
    """Limits of u_S and of D for FAIL at α/m. Score limits alone are too narrow so far out where a share is rare: at a
    true gap of 0.05 of 30 rows against 4,000 Newcombe's is beyond it up to 30 times as often as its level says."""
    if isinstance(gap, PairedGap):
        return gap.far_student_limits(level), gap.far_change_limits(level)
    return gap.student_limits(level), gap.change_limits(level)


def growth_upper(gap: Gap, level: Numbers) -> Floats:
    """The smallest growth limit that passes at ``level``."""
    share = np.asarray(level, float)
    return growth_high(gap.student_limits(GAP_SHARE * share), gap.change_limits(CHANGE_SHARE * share))


def gap_upper(gap: Gap, level: Numbers) -> Floats:
    """The smallest limit on |u_S| that passes at ``level``."""
    return gap_bounds(gap.student_limits(level))[1]


def origins(teacher: Limits, student: Limits, change: Limits, at_most: float, grows: float) -> npt.NDArray[np.int64]:
    """Index into LABELS for each contrast [..., K], from limits at α/2 a bound: printed only where every statement of
    the label is certified on one side; 0 is undetermined. ``at_most`` is τ, ``grows`` is ε < τ."""
    found = np.zeros(np.shape(teacher[0]), dtype=np.int64)
    quiet = _inside(teacher, at_most) & _inside(student, at_most)
    found[quiet] = LABELS.index("clear")
    for side in (1, -1):
        (t_low, t_high), (s_low, _), (d_low, d_high) = (signed(limits, side) for limits in (teacher, student, change))
        steady = (d_high < grows) & (d_low > -grows)
        found[steady & ((s_low >= at_most) | (t_low >= at_most))] = LABELS.index("inherited")
        found[(t_low >= at_most) & (d_low > grows)] = LABELS.index("amplified")
        new = (s_low >= at_most) & (t_high < at_most) & (d_low > grows)
        found[new] = LABELS.index("introduced")
        found[new & (t_high <= -at_most)] = LABELS.index("introduced (reversed)")
        found[(t_low >= at_most) & (d_high < -grows) & (s_low > -at_most)] = LABELS.index("mitigated")
    return found


def _inside(limits: Limits, bound: float) -> npt.NDArray[np.bool_]:
    return np.asarray((limits[1] < bound) & (limits[0] > -bound))


def thresholds(at_most: float | None, grows: float | None) -> tuple[float, float] | None:
    """(τ, ε) of the labels: τ = 3 ε where one is missing, None where both are."""
    if at_most is None and grows is None:
        return None
    if at_most is None or grows is None:
        return (at_most, at_most / 3) if at_most is not None else (3 * float(grows or 0), float(grows or 0))
    return at_most, grows
