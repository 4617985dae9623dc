"""A file on disk -> an Arrow table: Parquet, Arrow or CSV, or one clear line about what is wrong with it."""

import contextlib
import gzip
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as papq

from autodistill.errors import TableError
from autodistill.plugins import suggest

PARQUET, ARROW, CSV = (".parquet", ".pq"), (".arrow", ".feather"), (".csv", ".tsv", ".csv.gz", ".tsv.gz")
KNOWN = PARQUET + ARROW + CSV
BATCH, BUFFER = 16 << 20, 1 << 20  # bytes that are decoded, and read, at a time where cells are arrays
TOGETHER = 1 << 16  # rows, where they are narrow
SEPARATORS = ",;\t|"


def read(path: Path) -> pa.Table:
    """The whole table, columns as the file names them.

    Raises ``TableError`` where there is no such file, it is neither Parquet, Arrow nor CSV, is damaged, has no rows, or
    has two columns of one name. CSV: UTF-8 with or without a byte-order mark; comma, semicolon, tab or bar.
    """
    return source(path).table()


def source(path: Path) -> "Source":
    """The table, opened. Raises ``TableError`` as ``read`` does, but for what only its cells can show."""
    where = str(path)
    if path.is_dir():
        raise TableError("this is a folder", where=where, do="name a .parquet, .arrow or .csv file")
    if not path.is_file():
        beside = sorted(p.name for p in path.parent.glob("*") if p.name.endswith(KNOWN))
        raise TableError("no such file", where=where, do=suggest(path.name, beside) if beside else "check the path")
    name = path.name.casefold()
    if not name.endswith(KNOWN):
        raise TableError("not a table that can be read", where=where, do="save it as .parquet, .arrow or .csv")
    with _readable(path):
        found: Source
        if name.endswith(PARQUET):
            found = _Parquet.of(path)
        elif name.endswith(ARROW):
            found = _Arrow.of(path)
        else:
            found = _Whole.of(path)
        names = list(found.schema.names)
    twice = sorted({n for n in names if names.count(n) > 1})
    if twice:
        raise TableError(f"two columns are named {twice[0]!r}", where=where, do="rename one of them")
    if not found.rows or not found.names:
        raise TableError("the table is empty", where=where, do="it needs a header and rows")
    return found


@contextlib.contextmanager
def _readable(path: Path) -> Iterator[None]:
    """What is wrong with a file, as a ``TableError``."""
    try:
        yield
    except OSError as fault:
        what = f"cannot be read ({fault.strerror or _first_line(fault)})"
        raise TableError(what, where=str(path), do="check the file") from None
    except pa.ArrowMemoryError as fault:
        what = f"does not fit into memory, or is damaged ({_first_line(fault)})"
        raise TableError(what, where=str(path), do="a machine with more; a damaged file: save it again") from None
    except (pa.ArrowException, UnicodeDecodeError) as fault:
        raise TableError(_first_line(fault), where=str(path), do="repair the file or save it again") from None


@dataclass(frozen=True, kw_only=True)
class Source:
    """A table on disk of which columns and ``rows`` are known; its cells, about ``bytes`` of them, are read as they are
    asked for. Reading raises ``TableError`` where the file is damaged."""

    path: Path
    schema: pa.Schema
    rows: int
    bytes: int

    @property
    def names(self) -> tuple[str, ...]:
        """Its columns, in order; pandas keeps its index as one more."""
        return tuple(name for name in self.schema.names if not name.startswith("__index_level_"))

    def size(self, name: str) -> int:
        """About how many bytes a column's cells are."""
        raise NotImplementedError

    def table(self, names: Sequence[str] | None = None) -> pa.Table:
        """Whole columns (None: all)."""
        asked = self.names if names is None else tuple(names)
        with _readable(self.path):
            return self._table(asked).select(list(asked))

    def batches(self, names: Sequence[str] | None = None, rows: int | None = None) -> Iterator[pa.Table]:
        """Columns, at most so many ``rows`` at a time (None: about ``BATCH`` bytes of the whole table)."""
        asked = self.names if names is None else tuple(names)
        step = max(1, BATCH * self.rows // max(1, self.bytes)) if rows is None else rows
        with _readable(self.path):
            for one in self._batches(asked, step):
                if len(one):
                    yield one.select(list(asked))

    def in_memory(self) -> "Source":
        """The same with all its cells read."""
        return _Whole(path=self.path, schema=self.schema, rows=self.rows, bytes=self.bytes, whole=self.table())

    def _table(self, names: tuple[str, ...]) -> pa.Table:
        raise NotImplementedError

    def _batches(self, names: tuple[str, ...], step: int) -> Iterator[pa.Table]:
        raise NotImplementedError


@dataclass(frozen=True, kw_only=True)
class _Parquet(Source):
    """Read by row group, column by column: of others nothing is read."""

    sizes: dict[str, int]

    @classmethod
    def of(cls, path: Path) -> "_Parquet":
        with path.open("rb") as file:
            if file.read(4) != b"PAR1":
                raise TableError("not a Parquet file, whatever its name says", where=str(path), do="save it again")
        file = papq.ParquetFile(path)  # read_table refuses two columns of one name in its own words
        sizes: dict[str, int] = {}
        for group in range(file.num_row_groups):
            about = file.metadata.row_group(group)
            for at in range(about.num_columns):
                part = about.column(at)
                name = part.path_in_schema.partition(".")[0]
                sizes[name] = sizes.get(name, 0) + part.total_uncompressed_size
        schema = file.schema_arrow
        return cls(path=path, schema=schema, rows=file.metadata.num_rows, bytes=sum(sizes.values()), sizes=sizes)

    def size(self, name: str) -> int:
        return self.sizes.get(name.partition(".")[0], 0)

    def _table(self, names: tuple[str, ...]) -> pa.Table:
        # Cells of arrays a few rows at a time: read at once, each of their numbers costs a score of bytes for a while.
        # So too some columns of a table: read at once, a column of words asks for as many bytes as the whole table has.
        kinds = [self.schema.field(name).type for name in names]
        arrays = any(pa.types.is_nested(kind) or isinstance(kind, pa.BaseExtensionType) for kind in kinds)
        if arrays or len(names) < len(self.names):
            step = min(TOGETHER, BATCH * self.rows // max(1, sum(map(self.size, names))))
            return pa.concat_tables(self._batches(names, max(1, step)))
        return papq.ParquetFile(self.path).read(columns=list(names), use_threads=False)

    def _batches(self, names: tuple[str, ...], step: int) -> Iterator[pa.Table]:
        file = papq.ParquetFile(self.path, pre_buffer=False, buffer_size=BUFFER)
        for batch in file.iter_batches(batch_size=step, columns=list(names), use_threads=False):
            yield pa.Table.from_batches([batch])


@dataclass(frozen=True, kw_only=True)
class _Arrow(Source):
    """Mapped: what is not compressed is not read before it is looked at."""

    @classmethod
    def of(cls, path: Path) -> "_Arrow":
        with path.open("rb") as file:
            if file.read(6) != b"ARROW1":
                do = "save it in Arrow's file format (Feather, version 2)"
                raise TableError("not an Arrow file, whatever its name says", where=str(path), do=do)
        schema = pa.ipc.open_file(pa.memory_map(str(path))).schema
        flat = [at for at, field in enumerate(schema) if pa.types.is_primitive(field.type)]
        file = _opened(path, flat[:1] or [0])  # one column is enough to count rows by
        rows = sum(file.get_batch(at).num_rows for at in range(file.num_record_batches)) if len(schema) else 0
        return cls(path=path, schema=schema, rows=rows, bytes=path.stat().st_size)

    def size(self, name: str) -> int:
        return sum(one.nbytes for one in self._batches((name,), self.rows))

    def _table(self, names: tuple[str, ...]) -> pa.Table:
        return pa.concat_tables(self._batches(names, self.rows))

    def _batches(self, names: tuple[str, ...], step: int) -> Iterator[pa.Table]:
        file = _opened(self.path, [self.schema.get_field_index(name) for name in names])
        for at in range(file.num_record_batches):
            whole = pa.Table.from_batches([file.get_batch(at)])
            for start in range(0, len(whole), step):
                some = whole.slice(start, step)
                some.validate(full=True)  # mapped as it is: nobody has looked at it yet
                yield some


def _opened(path: Path, places: list[int]) -> Any:
    """Some columns of an Arrow file, by their places."""
    options = pa.ipc.IpcReadOptions(included_fields=places, use_threads=False)
    return pa.ipc.open_file(pa.memory_map(str(path)), options=options)


@dataclass(frozen=True, kw_only=True)
class _Whole(Source):
    """Text, which is in memory as soon as it is understood."""

    whole: pa.Table

    @classmethod
    def of(cls, path: Path) -> "_Whole":
        table = _csv(path)
        return cls(path=path, schema=table.schema, rows=table.num_rows, bytes=table.nbytes, whole=table)

    def size(self, name: str) -> int:
        return int(self.whole[name].nbytes)

    def _table(self, names: tuple[str, ...]) -> pa.Table:
        return self.whole.select(list(names))

    def _batches(self, names: tuple[str, ...], step: int) -> Iterator[pa.Table]:
        return (self._table(names).slice(at, step) for at in range(0, self.rows, step))


def _csv(path: Path) -> pa.Table:
    raw = path.read_bytes()
    if path.name.casefold().endswith(".gz"):
        try:
            raw = gzip.decompress(raw)
        except (EOFError, gzip.BadGzipFile):
            raise TableError("not a gzip file, or cut off", where=str(path), do="save it again") from None
    if raw[:4] == b"PAR1":
        raise TableError("this is a Parquet file", where=str(path), do="name it .parquet")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as fault:
        line = raw.count(b"\n", 0, fault.start) + 1
        raise TableError("not UTF-8", where=f"{path}, line {line}", do="save it with the encoding UTF-8") from None
    if not text.strip():
        raise TableError("the file is empty", where=str(path), do="it needs a header and rows")
    header = re.sub(r'"[^"]*"', "", text.split("\n", 1)[0])
    separator = max(SEPARATORS, key=header.count)
    sample = text[:100_000]
    comma = separator == ";" and re.search(r"[;\n]-?\d+,\d", sample) and not re.search(r"[;\n]-?\d+\.\d", sample)
    return pacsv.read_csv(
        pa.BufferReader(text.encode()),
        # One block: else the types are guessed from the first megabyte and a later row is an error.
        read_options=pacsv.ReadOptions(use_threads=False, block_size=max(len(raw) + 1, 1 << 16)),
        parse_options=pacsv.ParseOptions(delimiter=separator, newlines_in_values=True),
        convert_options=pacsv.ConvertOptions(strings_can_be_null=True, decimal_point="," if comma else "."),
    )


def _first_line(fault: Exception) -> str:
    text = " ".join(str(fault).split())
    return text if len(text) < 160 else text[:157] + "..."
