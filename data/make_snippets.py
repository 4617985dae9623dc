"""Build data/snippets.parquet: 10,000 rated snippets of reviews, editorials and tweets (Hutto and Gilbert 2014).

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
    rows = [line.split("\t", 2) for line in data.decode("latin-1").splitlines() if line.count("\t") >= 2]
    return [(float(rating), re.sub(r"\s+", " ", html.unescape(text)).strip()) for _, rating, text in rows]


def table(found: dict[str, list[tuple[float, str]]]) -> pa.Table:
    """Text, source, and whether its raters found it positive or negative; who found neither is left out."""
    rng, kept = np.random.default_rng(0), []
    for source, rows in found.items():
        clear = [row for row in rows if abs(row[0]) >= CLEAR]
        for at in rng.permutation(len(clear))[:EACH]:
            rating, text = clear[at]
            kept.append((text, source, "positive" if rating > 0 else "negative"))
        print(f"{source}: {len(rows):,} snippets, {len(clear):,} with a clear side")
    text, source, tone = zip(*(kept[at] for at in rng.permutation(len(kept))), strict=True)
    return pa.table({"text": pa.array(text), "source": pa.array(source), "tone": pa.array(tone)})


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    rows, out = table(rated(Path(sys.argv[1]))), Path(__file__).parent / "snippets.parquet"
    pq.write_table(rows, out, compression="zstd")
    print(f"{out}: {len(rows):,} rows, {out.stat().st_size:,} bytes")
