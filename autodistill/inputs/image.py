"""Images in one column: arrays, encoded bytes (PNG, JPEG) or paths beside the table; scaled by the train split."""

import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pydantic.fields import Field

from autodistill.errors import TableError
from autodistill.inputs import FEATURES, NUMERIC, Encoding, Modality
from autodistill.inputs._cells import arrays
from autodistill.inputs._front import Front
from autodistill.records import Features

TINY = 1e-6
WHOLE = 64 << 20  # bytes of pictures whose mean is taken at once
AT_ONCE = 2048  # pictures that are moved at a time


@dataclass(frozen=True)
class Image:
    """Grey or colour pictures of one size: ``/numeric`` [N, C, H, W], each channel with mean 0 and deviation 1."""

    modality: ClassVar[Modality] = "image"

    column: Annotated[str, Field(description="the column: arrays [H, W] or [H, W, C], encoded bytes, or paths")]
    size: Annotated[
        int | None, Field(ge=4, le=1024, description="pixels a side that encoded pictures are scaled to; null: as is")
    ] = None
    colour: Annotated[bool, Field(description="encoded pictures are read in colour")] = False
    flip: Annotated[
        bool, Field(description="perturbed pictures may be mirrored, left to right (letters and digits should not be)")
    ] = False

    def read(self, cells: pa.ChunkedArray, where: str, folder: Path) -> npt.NDArray[Any]:
        """uint8 or float32 [N, H, W] or [N, H, W, C]. Paths are taken within ``folder`` alone."""
        kind = cells.type
        if pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
            return self._decoded(cells.to_pylist(), where)
        if pa.types.is_string(kind) or pa.types.is_large_string(kind):
            return self._decoded(
                (_inside(folder, name, where, row) for row, name in enumerate(cells.to_pylist())), where
            )
        found = arrays(cells, where)
        if found.ndim not in (3, 4) or (found.ndim == 4 and found.shape[3] not in (1, 3, 4)):
            do = "store [H, W] or [H, W, C] with 1, 3 or 4 channels"
            raise TableError(f"an image has the shape {found.shape[1:]}", where=where, do=do)
        return found

    def fit(self, features: Features, y: npt.NDArray[Any], classes: Sequence[str]) -> Encoding:  # noqa: ARG002
        """Means and deviations of the channels, over the train rows."""
        pixels = features[self.column]
        deep = pixels[..., None] if pixels.ndim == 3 else pixels
        mean, spread = _moments(deep)
        height, width, channels = deep.shape[1:]
        size = (channels, height, width)
        kind = "uint8" if pixels.dtype == np.uint8 else "float"

        def graph(output: str, shape: tuple[int, ...]) -> bytes:
            front = Front(self.column, kind, pixels.shape[1:])
            value = self.column if kind == "float" else front.add("Cast", [self.column], to=1)
            value = front.add("Reshape", [value, front.constant("/deep", np.array([-1, height, width, channels]))])
            value = front.add("Sub", [value, front.constant("/mean", mean)])
            value = front.add("Mul", [value, front.constant("/scale", 1.0 / spread)])
            # One channel: the order of the numbers is the same, and no copy is made.
            value = value if channels == 1 else front.add("Transpose", [value], perm=[0, 3, 1, 2])
            front.add("Reshape", [value, front.constant("/shape", np.array([-1, *shape]))], output)
            return front.model(output, "float", shape)

        count = int(np.prod(size))
        return Encoding(
            inputs=((self.column, kind),),  # type: ignore[arg-type]
            numeric=count,
            cardinalities=(),
            split=graph(NUMERIC, size),
            matrix=graph(FEATURES, (count,)),
            modality="image",
            size=size,
        )

    def perturbed(self, values: npt.NDArray[Any], jitter: float, stream: np.random.Generator) -> npt.NDArray[Any]:
        """A view of each picture [n, H, W] or [n, H, W, C]: shifted by up to ``jitter`` of its sides, turned by up to
        ``jitter`` · 90°, enlarged or shrunk by up to ``jitter``, half of them mirrored where ``flip`` is asked, and in
        half of them a rectangle of ``jitter`` of the sides is as the picture's mean (DeVries and Taylor 2017, arXiv
        1708.04552; Zhong et al. 2017, arXiv 1708.04896). Edges are drawn out; numbers stay in the picture's range.
        """
        moves = stream.uniform(-1.0, 1.0, (len(values), 4)) * jitter
        mirrored = (stream.random(len(values)) < 0.5) & self.flip
        corners, erased = stream.random((len(values), 2)), stream.random(len(values)) < 0.5
        seen = np.empty_like(values)
        for at in range(0, len(values), AT_ONCE):
            some = slice(at, at + AT_ONCE)
            seen[some] = _moved(values[some], moves[some], mirrored[some])
        height, width = (round(jitter * side) for side in values.shape[1:3])
        for row in np.flatnonzero(erased):
            top, left = (corners[row] * (values.shape[1] - height + 1, values.shape[2] - width + 1)).astype(int)
            mean = seen[row].mean(axis=(0, 1), dtype=float)
            seen[row, top : top + height, left : left + width] = mean
        return seen

    def _decoded(self, data: Iterable[bytes], where: str) -> npt.NDArray[np.uint8]:
        from PIL import Image as Pictures
        from PIL import UnidentifiedImageError

        found: list[npt.NDArray[np.uint8]] = []
        for row, content in enumerate(data):
            try:
                picture = Pictures.open(io.BytesIO(content)).convert("RGB" if self.colour else "L")
            except (UnidentifiedImageError, OSError, Pictures.DecompressionBombError) as fault:
                do = "store PNG or JPEG"
                raise TableError(f"is no picture ({fault})"[:160], where=f"{where}, row {row}", do=do) from None
            if self.size is not None and picture.size != (self.size, self.size):
                picture = picture.resize((self.size, self.size))
            found.append(np.asarray(picture, np.uint8))
            if found[-1].shape != found[0].shape:
                what = f"a picture is {found[-1].shape[:2]}, the first is {found[0].shape[:2]}"
                raise TableError(what, where=f"{where}, row {row}", do="give `size` to scale all of them")
        return np.stack(found)


def _moments(deep: npt.NDArray[Any]) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Mean and deviation [C] of the channels; of many pictures in pieces, since numpy writes each pixel as 8 bytes."""
    over = (0, 1, 2)
    if deep.nbytes <= WHOLE:
        mean, spread = deep.mean(axis=over, dtype=np.float64), deep.std(axis=over, dtype=np.float64)
    else:
        step = max(1, WHOLE * len(deep) // (8 * deep.nbytes))
        parts = [deep[at : at + step] for at in range(0, len(deep), step)]
        count = deep[..., 0].size
        mean = np.sum([part.sum(axis=over, dtype=np.float64) for part in parts], axis=0) / count
        spread = np.sqrt(np.sum([((part - mean) ** 2).sum(axis=over) for part in parts], axis=0) / count)
    return mean.astype(np.float32), np.maximum(spread, TINY).astype(np.float32)


def _moved(
    values: npt.NDArray[Any], moves: npt.NDArray[np.float64], mirrored: npt.NDArray[np.bool_]
) -> npt.NDArray[Any]:
    """Pictures after an affine map about their middle, by bilinear interpolation; ``moves`` [n, 4] are shares of width
    and height, of a quarter turn and of the size."""
    import torch
    from torch.nn import functional

    deep = values[..., None] if values.ndim == 3 else values
    height, width = deep.shape[1:3]
    across, down, turn, zoom = moves.T
    cos, sin = np.cos(turn * np.pi / 2) / (1 + zoom), np.sin(turn * np.pi / 2) / (1 + zoom)
    side = np.where(mirrored, -1.0, 1.0)
    # From places in the view to places in the picture, both from -1 to 1 along each side.
    rows = [[side * cos, side * sin * height / width, 2 * across], [-sin * width / height, cos, 2 * down]]
    maps = torch.from_numpy(np.array(rows, np.float32).transpose(2, 0, 1).copy())
    pixels = torch.from_numpy(deep.astype(np.float32)).permute(0, 3, 1, 2)
    grid = functional.affine_grid(maps, list(pixels.shape), align_corners=False)
    found = functional.grid_sample(pixels, grid, padding_mode="border", align_corners=False)
    moved = found.permute(0, 2, 3, 1).numpy().reshape(values.shape)
    return moved.round().astype(values.dtype) if values.dtype == np.uint8 else moved


def _inside(folder: Path, name: str, where: str, row: int) -> bytes:
    path = (folder / name).resolve()
    if not path.is_relative_to(folder.resolve()):
        do = "name files in or under the table's folder"
        raise TableError(f"the path {name!r} leads out of {folder}", where=f"{where}, row {row}", do=do)
    try:
        return path.read_bytes()
    except OSError as fault:
        do = "paths are relative to the table's folder"
        raise TableError(f"{name!r} cannot be read ({fault.strerror})", where=f"{where}, row {row}", do=do) from None
