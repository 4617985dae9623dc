"""The workshop of a run, opened again in another process: what was prepared once is handed over, not made again."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from autodistill.errors import RunError
from autodistill.jobs import Workshop
from autodistill.measure import Lab
from autodistill.run.prepare import columns_of, further_meters
from autodistill.spec import Spec


@dataclass(frozen=True, kw_only=True)
class Kept:
    """A workshop in parts that a pickle carries. The teacher's labels stay in the cache: every process maps their file,
    ``scores``, into its memory."""

    spec: Spec
    parts: Mapping[str, Any]
    scores: Path
    lab: Mapping[str, Any]


def again(spec: Spec, shop: Workshop) -> Callable[[], Workshop]:
    """What opens this workshop in another process of this machine, or of one that shares its folders."""
    skipped = {"lab", "refit", "kept", "seen", "folder", "teacher"}
    parts = {one.name: getattr(shop, one.name) for one in fields(shop) if one.name not in skipped}
    teacher = replace(shop.teacher, members=(), scores=np.zeros((0, 0), np.float32))
    path = shop.lab.teacher_path
    lab = {
        "cache": shop.lab.cache.resolve(),
        "rows": shop.lab.rows,
        "teacher": None if path is None else path.resolve(),
        "batch": shop.lab.batch,
        "threads": shop.lab.threads,
        "book": shop.lab.book,
        "may_measure": shop.lab.may_measure,
    }
    scores = Path(str(getattr(shop.teacher.scores, "filename", "")))
    parts |= {"teacher": teacher, "folder": shop.folder.resolve()}
    return partial(reopen, Kept(spec=spec, parts=parts, scores=scores, lab=lab))


def reopen(kept: Kept) -> Workshop:
    """A workshop like the one that was handed over. RunError where the cache is gone."""
    try:
        scores = np.load(kept.scores, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError) as fault:
        raise RunError(
            f"the teacher's labels cannot be read ({fault})", where=str(kept.scores), do="give the same command again"
        ) from None
    parts = dict(kept.parts)
    teacher = replace(parts.pop("teacher"), scores=scores)
    lab = Lab(**kept.lab).with_meters(further_meters(parts["policy"]))
    return Workshop(**parts, teacher=teacher, lab=lab, refit=columns_of(kept.spec, parts["dataset"]))
