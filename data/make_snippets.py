"""Build data/snippets.parquet, 10,000 rated snippets of reviews, editorials and tweets (Hutto and Gilbert 2014), and
data/snippets_unlabelled.parquet, the texts of all the others, for the teacher to label.

pip download --no-deps --no-binary :all: vaderSentiment==3.3.2
python data/make_snippets.py vaderSentiment-3.3.2.tar.gz

The package is MIT licensed; the snippets' words are their authors', so the table is made here and never passed on.
"""

import html
import io
import re
import sys
import tarfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

INNER = "additional_resources/hutto_ICWSM_2014.tar.gz"
SOURCES = {
    "movie review": "movieReviewSnippets",
    "product review": "amazonReviewSnippets",
    "editorial": "nytEditorialSnippets",
    "tweet": "tweets",
}
EACH = 2500  # rows of a source, where it has as many
CLEAR = 0.5  # mean rating, of -4 to 4, from which on twenty raters lean to one side


def rated(package: Path) -> dict[str, list[tuple[float, str]]]:
    """(mean rating, text) of every snippet, by source."""
    with tarfile.open(package) as outer:
        name = next(name for name in outer.getnames() if name.endswith(INNER))
        with tarfile.open(fileobj=io.BytesIO(_bytes(outer, name))) as files:
            named = {Path(name).name: name for name in files.getnames()}
            return {source: _lines(_bytes(files, named[f"{file}_GroundTruth.txt"])) for source, file in SOURCES.items()}


def _bytes(archive: tarfile.TarFile, member: str) -> bytes:
    found = archive.extractfile(member)
    return b"" if found is None else found.read()


def _lines(data: bytes) -> list[tuple[float, str]]:
    rows = [_text(line).split("\t", 2) for line in data.splitlines() if line.count(b"\t") >= 2]
    return [(float(rating), re.sub(r"\s+", " ", html.unescape(text)).strip()) for _, rating, text in rows]


def _text(line: bytes) -> str:
    """Most lines are UTF-8, some are not."""
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError:
        return line.decode("latin-1")


def tables(found: dict[str, list[tuple[float, str]]]) -> tuple[pa.Table, pa.Table]:
    """Text, source, and whether its raters found it positive or negative, who found neither being left out; and the
    texts of all others, in that order."""
    rng, kept, others = np.random.default_rng(0), [], []
    for source, rows in found.items():
        clear = [row for row in rows if abs(row[0]) >= CLEAR]
        order = rng.permutation(len(clear))
        for at in order[:EACH]:
            rating, text = clear[at]
            kept.append((text, source, "positive" if rating > 0 else "negative"))
        others += [text for rating, text in rows if abs(rating) < CLEAR] + [clear[at][1] for at in order[EACH:]]
        print(f"{source}: {len(rows):,} snippets, {len(clear):,} with a clear side")
    text, source, tone = zip(*(kept[at] for at in rng.permutation(len(kept))), strict=True)
    rated_ones = pa.table({"text": pa.array(text), "source": pa.array(source), "tone": pa.array(tone)})
    return rated_ones, pa.table({"text": pa.array(others)})


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    for name, rows in zip(("snippets", "snippets_unlabelled"), tables(rated(Path(sys.argv[1]))), strict=True):
        out = Path(__file__).parent / f"{name}.parquet"
        pq.write_table(rows, out, compression="zstd")
        print(f"{out}: {len(rows):,} rows, {out.stat().st_size:,} bytes")
