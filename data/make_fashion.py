"""Build fashion.parquet and fashion_unlabelled.parquet from Fashion-MNIST's four idx files.

Debian's package dataset-fashion-mnist has them:

python data/make_fashion.py /usr/share/datasets/fashion-mnist
"""

import gzip
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

ROWS = 10_000
NAMES = (
    *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"),
    *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
)


def idx(path: Path, head: int) -> np.ndarray:
    """The bytes of one idx file after its ``head`` bytes."""
    return np.frombuffer(gzip.decompress(path.read_bytes()), np.uint8, offset=head)


def unlabelled(folder: Path) -> pa.Table:
    """The 10,000 pictures of the test file, without their labels: what a teacher may label, and has not seen."""
    images = idx(folder / "t10k-images-idx3-ubyte.gz", 16).reshape(-1, 28, 28)
    return pa.table({"image": pa.FixedShapeTensorArray.from_numpy_ndarray(np.ascontiguousarray(images))})


def table(folder: Path) -> pa.Table:
    """The first images of the training file: uint8 [28, 28] each, a name for its class, and how bright it is."""
    images = idx(folder / "train-images-idx3-ubyte.gz", 16).reshape(-1, 28, 28)[:ROWS]
    labels = idx(folder / "train-labels-idx1-ubyte.gz", 8)[:ROWS]
    light = images.mean(axis=(1, 2))
    third = np.searchsorted(np.quantile(light, [1 / 3, 2 / 3]), light)
    return pa.table(
        {
            "image": pa.FixedShapeTensorArray.from_numpy_ndarray(np.ascontiguousarray(images)),
            "brightness": pa.array(np.array(["dark", "middle", "bright"], object)[third]),
            "garment": pa.array(np.array(NAMES, object)[labels]),
        }
    )


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    for made, name in ((table, "fashion.parquet"), (unlabelled, "fashion_unlabelled.parquet")):
        out = Path(__file__).parent / name
        pq.write_table(made(Path(sys.argv[1])), out, compression="zstd", compression_level=19)
        print(f"{out}: {out.stat().st_size:,} bytes")
