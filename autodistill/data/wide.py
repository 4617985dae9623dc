"""One column that is the input and may be larger than memory: read, decoded and told apart some rows at a time.

What is decoded is kept in the user's cache under what it is made of, whole or not at all, and mapped from there.
"""

import inspect
import json
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import platformdirs

from autodistill import plugins, shelf
from autodistill.data import digest, modal
from autodistill.data.columns import Place, strings
from autodistill.data.table import BATCH, Source
from autodistill.errors import TableError
from autodistill.plugins import suggest
from autodistill.records import Column, Features
from autodistill.records import digest as address
from autodistill.records.columns import Numbers, Texts

LEAST = 256 << 20
"""Bytes of cells, or of what they are decoded to, from which a column is mapped. Fewer fit into the memory of whatever
can import PyTorch, with a copy of each split; mapped, each look at a split would gather its rows anew."""

FORMAT = 1  # of what is decoded: one more wherever the same cells are read otherwise
KEPT = "decoded"
ALIKE = "give every row one shape (`size` scales encoded pictures)"

Asked = tuple[str, Mapping[str, Any]]


def content(source: Source, names: Sequence[str]) -> npt.NDArray[np.void]:
    """V32 [N]: the digest of each row over the named columns, of which only some rows are in memory at a time."""
    return np.concatenate([digest.rows({name: some[name] for name in names}) for some in source.batches(names)])


def read(source: Source, asked: Asked, rows: npt.NDArray[np.void] | None = None) -> Features:
    """{column: [N, ...]} of the one column that is the input, decoded by its modality: an array, or from ``LEAST``
    bytes on a ``Column`` in a file. ``rows`` are digests of the rows, to keep it by (None: of the column's own cells).
    Raises ``TableError``."""
    kind, options = asked
    name, place = str(modal.column(asked)), str(Place(str(source.path), str(modal.column(asked))))
    if name not in source.names:
        raise TableError(f"no column {name!r} (input)", where=str(source.path), do=suggest(name, source.names))
    modality = plugins.build("inputs", kind, options)
    needed = _needed(source, modality, name, place)
    if needed < LEAST and source.bytes < LEAST:
        return modal.read(source.table([name]), asked, source.path)
    step = max(1, BATCH // max(1, max(needed, source.bytes) // source.rows))
    parts = _decoded(source, modality, name, step)
    if needed < LEAST:
        if not hasattr(modality, "read"):
            return modal.read(source.table([name]), asked, source.path)
        return {name: np.concatenate([part for (part,) in parts])}
    told = [FORMAT, kind, sorted(options.items()), _made_by(modality), _behind(source, modality, name, place)]
    told.append(address((content(source, [name]) if rows is None else rows).tobytes()))
    folder = Path(platformdirs.user_cache_dir("autodistill", appauthor=False)) / KEPT
    where = folder / address(json.dumps(told, default=str).encode())[:40]
    try:
        with shelf.locked(where):
            column = _mapped(shelf.kept(where, needed, lambda: parts))
    except OSError as fault:
        size = f"{needed / 1e9:,.1f} GB decoded"
        what = f"its column {name!r} takes {size}, which cannot be kept ({fault.strerror or fault})"
        do = f"make room in {folder}, or name another cache folder: XDG_CACHE_HOME"
        raise TableError(what, where=str(source.path), do=do) from None
    return {name: cast("npt.NDArray[Any]", column)}


def _needed(source: Source, modality: Any, name: str, place: str) -> int:
    """Bytes of the decoded column, from its first row; of a text those of its cells."""
    if not hasattr(modality, "read"):
        return source.size(name)
    first = next(source.batches([name], rows=1))[name]
    if first.null_count:
        return 0  # refused where all cells are looked at
    return int(modality.read(first, place, source.path.parent, 0).nbytes) * source.rows


def _decoded(source: Source, modality: Any, name: str, step: int) -> Iterator[shelf.Arrays]:
    """The column, ``step`` rows at a time: arrays of one shape, or of texts their bytes and where each ends."""
    place, at, end = Place(str(source.path), name), 0, 0
    shape: tuple[int, ...] | None = None
    for some in source.batches([name], rows=step):
        cells = some[name]
        modal.refuse_missing(cells, place, at)
        if not hasattr(modality, "read"):
            texts = [text.encode() for text in strings(cells)]
            ends = end + np.cumsum([len(text) for text in texts], dtype=np.int64)
            yield np.frombuffer(b"".join(texts), np.uint8), ends
            end = int(ends[-1])
        else:
            part = modality.read(cells, str(place), source.path.parent, at)
            shape = part.shape[1:] if shape is None else shape
            if part.shape[1:] != shape:
                what = f"has the shape {part.shape[1:]} where the first has {shape}"
                raise TableError(what, where=f"{place}, row {at}", do=ALIKE)
            yield (part,)
        at += len(cells)


def _mapped(paths: list[Path]) -> Column:
    if len(paths) == 1:
        numbers = Numbers(paths[0])
        shelf.hold(paths[0].parent, (numbers.array,))
        return numbers
    texts = Texts(paths[0], paths[1])
    shelf.hold(paths[0].parent, (texts.text, texts.ends))
    return texts


def _behind(source: Source, modality: Any, name: str, place: str) -> str:
    """A digest of the files that cells name, where they do."""
    if not hasattr(modality, "behind"):
        return ""
    found = (modality.behind(some[name], place, source.path.parent) for some in source.batches([name]))
    return address("".join(found).encode())


def _made_by(modality: Any) -> list[str]:
    """What decodes: another version of it may read the same cells otherwise."""
    file = inspect.getsourcefile(type(modality))
    try:
        pictures = version("pillow")
    except PackageNotFoundError:
        pictures = ""
    return ["" if file is None else address(Path(file).read_bytes()), pictures]
