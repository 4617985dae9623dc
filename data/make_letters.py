"""Build data/letters.parquet, what comes before a letter in four kinds of English prose and which letter follows, or
data/letters_teacher.onnx, a recurrent language model of other documents of the same kinds.

apt-get install bible-kjv dict-devil dict-jargon dict-wn       (or dpkg-deb -x each into one FOLDER)
python data/make_letters.py table [FOLDER]                     (ten seconds)
python data/make_letters.py teacher [FOLDER]                   (some twelve minutes of one core)

A document is a chapter of the King James Bible, an entry of the Devil's Dictionary or of the Jargon File, or a gloss of
WordNet: in small letters, with seven marks; all other characters are left out. Each document is in one split, or the
teacher's. All draws are seeded.
"""

import gzip
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

MARKS = {" ": "space", ".": "stop", ",": "comma", ";": "semicolon", ":": "colon", "'": "apostrophe", "-": "hyphen"}
LETTERS = "abcdefghijklmnopqrstuvwxyz"
CONTEXT, SHORTEST, FIRST = 64, 80, 8  # the first place that is asked for has so many characters before it
TAKEN = {"scripture": 850, "satire": 650, "jargon": 1300, "glosses": 1300}  # documents of the table
SPLITS = {"train": 0.3, "search": 0.1, "audit": 0.35, "sealed": 0.25}
ROWS = {"train": 100, "search": 8, "audit": 8, "sealed": 8}  # of a document, where it has as many places
MOST = 20_000  # documents of a kind; WordNet has more
NAMES = ["domain", "split", "following"]  # columns of few values


def documents(root: Path) -> dict[str, list[str]]:
    """Normalised texts by domain, shuffled: the first ``TAKEN`` are the table's, the others the teacher's."""
    rng, found = np.random.default_rng(0), {}
    for domain, texts in (
        ("scripture", scripture(root)), ("satire", satire(_dict(root, "devil"))),
        ("jargon", jargon(_dict(root, "jargon"))), ("glosses", glosses(_dict(root, "wn"))),
    ):  # fmt: skip
        plain = dict.fromkeys(text for text in map(normalised, texts) if len(text) >= SHORTEST)
        kept = [list(plain)[at] for at in rng.permutation(len(plain))[:MOST]]
        print(f"{domain}: {len(kept):,} documents, {sum(map(len, kept)):,} characters")
        found[domain] = kept
    return found


def normalised(text: str) -> str:
    """Small letters and ``MARKS``."""
    text = text.lower().translate({0x2018: "'", 0x2019: "'", 0x2014: "-", 0x2013: "-"})
    text = re.sub(r"\s+", " ", re.sub(r"[\[\](){}/_]", " ", text))
    text = "".join(one for one in text if one in LETTERS or one in MARKS)
    return re.sub(r" +([.,;:])", r"\1", re.sub(r"-{2,}", "-", re.sub(r" +", " ", text))).strip()


def scripture(root: Path) -> Iterator[str]:
    """Chapters, as the program of the package prints them."""
    command = [str(root / "usr/bin/bible"), "-p", str(root / "usr/lib"), "Gen1:1-Rev22:21"]
    said = subprocess.run(command, capture_output=True, text=True, check=True, stdin=subprocess.DEVNULL).stdout
    for chapter in re.split(r"\n[1-3]? ?[A-Z][A-Za-z ]+ \d+\n\n", "\n" + said)[1:]:
        yield re.sub(r"\n +\d+ ", " ", "\n" + chapter)


def satire(text: str) -> Iterator[str]:
    """Entries: each begins with its word in capitals at the margin."""
    body = text[text.index("ABASEMENT, n.") :]
    yield from re.split(r"\n(?=[A-Z][A-Z' -]+[,.])", body)


def jargon(text: str) -> Iterator[str]:
    """Entries without their heads: what is set in by four."""
    for entry in re.split(r"\n(?=\S)", text[text.index("\n(TM)\n") :]):
        lines = [line for line in entry.splitlines()[1:] if line.startswith("    ") or not line]
        yield "\n".join(lines)


def glosses(text: str) -> Iterator[str]:
    """Meanings of a word, each with its examples, without lists of other words."""
    for entry in re.split(r"\n(?=\S)", text[text.index("\n0\n") :]):
        body = re.sub(r"\[(?:syn|ant|also):.*?\]", "", " ".join(entry.splitlines()[1:]), flags=re.DOTALL)
        yield from re.split(r" (?:(?:n|v|adj|adv) )?\d*: ", body)[1:]


def _dict(root: Path, name: str) -> str:
    return gzip.decompress((root / f"usr/share/dictd/{name}.dict.dz").read_bytes()).decode()


def table(found: dict[str, list[str]]) -> pa.Table:
    """Rows in order of their documents, which packs them well: ``text`` before a place, and ``following``."""
    rng, left_out = np.random.default_rng(1), 0
    rows: dict[tuple[str, str], tuple[str, str, str]] = {}
    for domain, texts in found.items():
        taken = texts[: TAKEN[domain]]
        shares = np.cumsum(list(SPLITS.values())) * len(taken)
        for at, text in enumerate(taken):
            split = list(SPLITS)[int(np.searchsorted(shares, at, side="right"))]
            many = min(ROWS[split], len(text) - FIRST)
            places = np.sort(rng.choice(np.arange(FIRST, len(text)), many, replace=False))
            named = f"{domain} {at}"
            told = ((text[max(0, p - CONTEXT) : p], text[p]) for p in places.tolist())
            for pair in told:  # what stands in two documents, such as how many glosses begin, stays with the first
                if rows.setdefault(pair, (domain, named, split))[1] != named:
                    left_out += 1
    print(f"{left_out} places left out that equal one of another document")
    text, following, domain, document, split = zip(*(pair + of for pair, of in rows.items()), strict=True)
    return pa.table(
        {
            "text": pa.array(text),
            "following": pa.array([MARKS.get(one, one) for one in following]),
            "domain": pa.array(domain),
            "document": pa.array(document),
            "split": pa.array(split),
        }
    )


def teacher(found: dict[str, list[str]], out: Path) -> None:
    """Train on the documents that are not in the table."""
    import torch
    from letters_network import Network, perplexity, save, trained, windows

    others = {domain: texts[TAKEN[domain] :] for domain, texts in found.items()}
    held = {domain: texts[: len(texts) // 20] for domain, texts in others.items()}
    alphabet = "".join(MARKS) + LETTERS
    texts = [text for domain, some in others.items() for text in some[len(held[domain]) :]]
    torch.manual_seed(0)
    network = trained(Network(len(alphabet)), windows(texts, alphabet, CONTEXT))
    for domain, some in held.items():
        print(f"{domain}: perplexity {perplexity(network, windows(some, alphabet, CONTEXT)):.3f} on held-out documents")
    save(network, alphabet, [MARKS.get(one, one) for one in alphabet], CONTEXT, out)


if __name__ == "__main__":
    here, root = Path(__file__).parent, Path((sys.argv[2:3] or ["/"])[0])
    if sys.argv[1:2] == ["teacher"]:
        teacher(documents(root), here / "letters_teacher.onnx")
    elif sys.argv[1:2] == ["table"]:
        to, made = here / "letters.parquet", table(documents(root))
        pq.write_table(
            made, to, compression="zstd", compression_level=19, use_dictionary=["domain", "split", "following"]
        )
        print(f"{to}: {made.num_rows:,} rows, {to.stat().st_size:,} bytes")
    else:
        raise SystemExit(__doc__)
