"""Convolutions under batch normalisation (Ioffe & Szegedy 2015, arXiv 1502.03167): without it a small network of some
blocks learns little in the few epochs that a search has."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn


def normed(convolution: "nn.Conv1d | nn.Conv2d", scale: float = 1.0) -> "nn.Sequential":
    """A convolution without a bias, then its normalisation, whose factor begins at ``scale``; in the artefact they are
    one (``Core.normed``)."""
    from torch import nn

    norm = (nn.BatchNorm1d if isinstance(convolution, nn.Conv1d) else nn.BatchNorm2d)(convolution.out_channels)
    nn.init.constant_(norm.weight, scale)
    nn.init.kaiming_normal_(convolution.weight, nonlinearity="relu")
    return nn.Sequential(convolution, norm)
