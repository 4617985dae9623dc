"""Train data/fashion_teacher.onnx on the 50,000 pictures of Fashion-MNIST that are not in data/fashion.parquet.

python data/make_fashion_teacher.py /usr/share/datasets/fashion-mnist     (some four minutes on one core)
"""

import sys
from pathlib import Path

import numpy as np
import torch
from make_fashion import NAMES, ROWS, idx
from teacher_network import Network, error, fitted, save
from torch import Tensor, nn

EPOCHS = 4


class Pixels(nn.Module):
    """Grey values uint8 [n, 28, 28] to about mean 0 and deviation 1."""

    def forward(self, image: Tensor) -> Tensor:
        return image.float() / 90.0 - 0.8


def moved(images: Tensor) -> Tensor:
    """Each mirrored or not, all moved by the same few pixels."""
    flip = torch.rand(len(images)) < 0.5
    images = torch.where(flip[:, None, None], images.flip(2), images)
    down, right = (int(torch.randint(-2, 3, ())) for _ in range(2))
    return images.roll((down, right), dims=(1, 2))


def main(folder: Path) -> None:
    torch.manual_seed(0)

    def read(part: str) -> tuple[Tensor, Tensor]:
        images = idx(folder / f"{part}-images-idx3-ubyte.gz", 16).reshape(-1, 28, 28)
        labels = idx(folder / f"{part}-labels-idx1-ubyte.gz", 8)
        return torch.from_numpy(images.copy()), torch.from_numpy(labels.astype(np.int64))

    images, y = read("train")
    network = fitted(Network(Pixels(), len(NAMES)), images[ROWS:], y[ROWS:], EPOCHS, moved)
    print(f"error on the 10,000 test pictures: {100 * error(network, *read('t10k')):.2f} %")
    save(network, "image", images[:64], Path(__file__).parent / "fashion_teacher.onnx")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    main(Path(sys.argv[1]))
