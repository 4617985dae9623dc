"""Images in one column: arrays, encoded bytes (PNG, JPEG) or paths beside the table; scaled by the train split."""

import hashlib
import io
from collections.abc import Iterable, Iterator, Sequence
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
from autodistill.inputs._moments import moments
from autodistill.records import Features

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

    def read(self, cells: pa.ChunkedArray, where: str, folder: Path, first: int = 0) -> npt.NDArray[Any]:
        """uint8 or float32 [N, H, W] or [N, H, W, C]. Paths are taken within ``folder`` alone."""
        if pa.types.is_binary(cells.type) or pa.types.is_large_binary(cells.type):
            return self._decoded(cells.to_pylist(), where, first)
        if _are_paths(cells):
            return self._decoded(_contents(cells, where, folder, first), where, first)
        found = arrays(cells, where, first)
        if found.ndim not in (3, 4) or (found.ndim == 4 and found.shape[3] not in (1, 3, 4)):
            do = "store [H, W] or [H, W, C] with 1, 3 or 4 channels"
            raise TableError(f"an image has the shape {found.shape[1:]}", where=where, do=do)
        return found

    def behind(self, cells: pa.ChunkedArray, where: str, folder: Path) -> str:
        """The digest of all files that cells name, "" where they are the pictures themselves."""
        if not _are_paths(cells):
            return ""
        sha = hashlib.sha256()
        for content in _contents(cells, where, folder, 0):
            sha.update(hashlib.sha256(content).digest())
        return sha.hexdigest()

    def fit(self, features: Features, y: npt.NDArray[Any], classes: Sequence[str]) -> Encoding:  # noqa: ARG002
        """Means and deviations of the channels, over the train rows."""
        pixels = features[self.column]
        mean, spread = moments(pixels, rank=4)
        height, width, channels = (*pixels.shape[1:], 1)[:3]
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

    def _decoded(self, data: Iterable[bytes], where: str, first: int) -> npt.NDArray[np.uint8]:
        from PIL import Image as Pictures
        from PIL import UnidentifiedImageError

        found: list[npt.NDArray[np.uint8]] = []
        for row, content in enumerate(data, start=first):
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


def _are_paths(cells: pa.ChunkedArray) -> bool:
    return bool(pa.types.is_string(cells.type) or pa.types.is_large_string(cells.type))


def _contents(cells: pa.ChunkedArray, where: str, folder: Path, first: int) -> Iterator[bytes]:
    """The bytes of the files that cells name, one after the other."""
    return (_inside(folder, name, where, row) for row, name in enumerate(cells.to_pylist(), start=first))


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
