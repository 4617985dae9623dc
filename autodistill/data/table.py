"""A file on disk -> an Arrow table: Parquet or CSV, or one clear line about what is wrong with it."""

import gzip
import re
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as papq

from autodistill.errors import TableError
from autodistill.plugins import suggest

PARQUET, CSV = (".parquet", ".pq"), (".csv", ".tsv", ".csv.gz", ".tsv.gz")
BATCH, BUFFER = 16 << 20, 1 << 20  # bytes that are decoded, and read, at a time where cells are arrays
SEPARATORS = ",;\t|"


def read(path: Path) -> pa.Table:
    """The whole table, columns as the file names them.

    Raises ``TableError`` where there is no such file, it is neither Parquet nor CSV, is damaged, has no rows, or has
    two columns of one name. CSV: UTF-8 with or without a byte-order mark; comma, semicolon, tab or bar.
    """
    where = str(path)
    if path.is_dir():
        raise TableError("this is a folder", where=where, do="name a .parquet or .csv file")
    if not path.is_file():
        beside = sorted(p.name for p in path.parent.glob("*") if p.name.endswith(PARQUET + CSV))
        raise TableError("no such file", where=where, do=suggest(path.name, beside) if beside else "check the path")
    name = path.name.casefold()
    if not name.endswith(PARQUET + CSV):
        raise TableError("not a table that can be read", where=where, do="save it as .parquet or .csv")
    try:
        table = _parquet(path) if name.endswith(PARQUET) else _csv(path)
    except OSError as fault:
        raise TableError(f"cannot be read ({fault.strerror or fault})", where=where, do="check the file") from None
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, pa.ArrowKeyError) as fault:
        raise TableError(_first_line(fault), where=where, do="repair the file or save it again") from None
    twice = sorted({n for n in table.column_names if table.column_names.count(n) > 1})
    if twice:
        raise TableError(f"two columns are named {twice[0]!r}", where=where, do="rename one of them")
    if not table.num_rows or not table.num_columns:
        raise TableError("the table is empty", where=where, do="it needs a header and rows")
    return table


def _parquet(path: Path) -> pa.Table:
    with path.open("rb") as file:
        if file.read(4) != b"PAR1":
            raise TableError("not a Parquet file, whatever its name says", where=str(path), do="save it again")
    file = papq.ParquetFile(path)  # read_table refuses two columns of one name in its own words
    arrays = any(pa.types.is_nested(kind) or isinstance(kind, pa.BaseExtensionType) for kind in file.schema_arrow.types)
    table = _in_batches(path) if arrays else file.read(use_threads=False)
    stored = [n for n in table.column_names if n.startswith("__index_level_")]  # pandas keeps its index as a column
    return table.drop_columns(stored) if stored else table


def _in_batches(path: Path) -> pa.Table:
    """Cells of arrays a few rows at a time: read at once, each of their numbers costs a score of bytes for a while."""
    file = papq.ParquetFile(path, pre_buffer=False, buffer_size=BUFFER)
    groups = (file.metadata.row_group(at).total_byte_size for at in range(file.num_row_groups))
    rows = max(1, BATCH * file.metadata.num_rows // max(1, sum(groups)))
    return pa.Table.from_batches(file.iter_batches(batch_size=rows, use_threads=False), file.schema_arrow)


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
