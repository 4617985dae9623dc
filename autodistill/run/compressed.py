"""The teacher made smaller without a student: each a control beside the candidates, with its artefact in the run."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from autodistill import plugins, runtime, teacher
from autodistill.controls import Derived, InapplicableError, Material
from autodistill.errors import TeacherError
from autodistill.jobs import Workshop
from autodistill.records import Features, Predictions, batches, digest, encode, in_file
from autodistill.run.folder import write_whole

ABOUT = "made.json"
SOME = 1 << 20  # bytes of raw rows that are prepared together, which may become a hundred times as many


@dataclass(kw_only=True)
class Compressing:
    """Makes compressed teachers of a run, and asks them. ``source`` is the teacher's plugin."""

    shop: Workshop
    source: Any
    _prepared: dict[str, Features] = field(default_factory=dict)

    @classmethod
    def of(cls, shop: Workshop, teacher: tuple[str, Mapping[str, Any]]) -> "Compressing":
        """For the teacher of an experiment file: its kind and options."""
        return cls(shop=shop, source=plugins.build("teachers", *teacher, where="teacher"))

    def made(self, name: str, control: Any) -> tuple[Path, str]:
        """The artefact and how it was made, found in the run's folder or made and put there whole. Raises
        ``InapplicableError`` where this teacher cannot have it."""
        out = self.shop.folder / "controls" / name / "student.onnx"
        try:
            about = msgspec.json.decode((out.parent / ABOUT).read_bytes())
            if digest(out.read_bytes()) == about["sha256"]:
                return out, str(about["what"])
        except (OSError, msgspec.DecodeError, KeyError, TypeError):
            pass
        derived: Derived = control.derive(self._material())
        out.parent.mkdir(parents=True, exist_ok=True)
        write_whole(out, derived.onnx)
        write_whole(out.parent / ABOUT, encode({"sha256": digest(derived.onnx), "what": derived.what}))
        return out, derived.what

    def predict(self, artefact: Path | bytes, split: str) -> Predictions:
        """What an artefact says of one split's rows, with what Python prepares for it."""
        rows, ids = self.shop.dataset.rows(split), self.shop.dataset.row_ids[self.shop.dataset.splits[split]]
        if any(in_file(column) for column in rows.values()):
            return self._some_at_a_time(runtime.open(artefact), rows, ids, split)
        if split not in self._prepared:
            self._prepared[split] = self._further(rows)
        return self.shop.predict(artefact, split, self._prepared[split])

    def _some_at_a_time(
        self, session: runtime.Session, rows: Features, ids: npt.NDArray[Any], split: str
    ) -> Predictions:
        """The same of rows in a file: what is prepared of them is not held either."""
        positive, threshold = self.shop.dataset.positive, self.shop.dataset.threshold
        parts = [
            runtime.predict(session, {**some, **self._further(some)}, ids, split, positive, threshold)
            for some in batches(rows, SOME)
        ]
        scores, decisions = (np.concatenate([getattr(one, n) for one in parts]) for n in ("scores", "decisions"))
        return Predictions(view=split, row_ids=ids, scores=scores, decisions=decisions)

    def _material(self) -> Material:
        shop = self.shop
        return Material(
            onnx=shop.teacher.onnx,
            why_no_onnx=shop.teacher.why_no_onnx,
            rows=lambda: {**shop.calibration, **self._further(shop.calibration)},
            error=lambda data: shop.error(self.predict(data, "search"), "search"),
            teacher_error=shop.error(shop.teacher_predictions("search"), "search"),
            numbers=not shop.dataset.classes,
            smaller=self._smaller(),
        )

    def _further(self, rows: Features) -> Features:
        """What the teacher's own preparation makes of some rows, where a part of it is Python's."""
        if not self.shop.teacher.prepared:
            return {}
        made: Features = self.source.prepared(rows, self.shop.encoding.modality)
        return made

    def _smaller(self) -> Callable[[float], bytes] | None:
        """What makes the teacher's network without some of its channels, where its source can."""
        shop = self.shop
        if not hasattr(self.source, "pruned"):
            return None
        whole = np.zeros(len(shop.dataset.splits["train"]), np.int64)
        task = teacher.task_of(
            shop.dataset, shop.encoding, whole, shop.seed, lambda _: shop.encoding.apply_matrix(shop.dataset.features)
        )

        def smaller(share: float) -> bytes:
            try:
                made = self.source.pruned(task, share)
            except TeacherError as fault:
                raise InapplicableError(fault.what) from fault
            if made.core is None:
                raise InapplicableError(made.why_no_onnx)
            return teacher.artefact(made, shop.dataset, shop.encoding)

        return smaller
