"""Sound in one column: waves of equal length become log-mel spectrograms inside the artefact."""

from collections.abc import Iterator, Sequence
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
from autodistill.inputs._moments import finished, joined
from autodistill.records import Features, FloatArray, pieces

FLOOR = 1e-6


@dataclass(frozen=True)
class Audio:
    """Waves [T] in [-1, 1] of one length: ``/numeric`` [N, mels, frames], each band with mean 0 and deviation 1.

    Frames are windowed (Hann) and transformed by two convolutions with sines and cosines; power goes through
    triangular filters, evenly spaced on the mel scale 2595 log10(1 + f / 700), and the logarithm. For families that
    are fitted a sound is each band's mean and deviation over time.
    """

    modality: ClassVar[Modality] = "audio"

    column: Annotated[str, Field(description="the column: waves [T] of one length")]
    rate: Annotated[int, Field(ge=1000, le=192_000, description="samples a second")] = 16_000
    mels: Annotated[int, Field(ge=4, le=256, description="bands")] = 40
    window: Annotated[float, Field(gt=0, le=1, description="seconds of a frame")] = 0.025
    hop: Annotated[float, Field(gt=0, le=1, description="seconds from frame to frame")] = 0.010

    def read(self, cells: pa.ChunkedArray, where: str, folder: Path, first: int = 0) -> npt.NDArray[Any]:  # noqa: ARG002
        """float32 [N, T]."""
        found = arrays(cells, where, first).astype(np.float32, copy=False)
        if found.ndim != 2:
            raise TableError(f"a wave has the shape {found.shape[1:]}", where=where, do="store [T], one channel")
        if found.shape[1] < round(self.window * self.rate):
            do = f"give longer waves or a shorter window (rate: {self.rate})"
            raise TableError(f"a wave of {found.shape[1]} samples is shorter than one frame", where=where, do=do)
        return found

    def fit(self, features: Features, y: npt.NDArray[Any], classes: Sequence[str]) -> Encoding:  # noqa: ARG002
        """Means and deviations of the bands, over the train rows and their frames."""
        waves = features[self.column]
        samples = waves.shape[1]
        plain = Front(self.column, "float", (samples,))
        plain.add("Identity", [self._bands(plain)], NUMERIC)
        frames = 1 + (samples - round(self.window * self.rate)) // round(self.hop * self.rate)
        mean, spread = _moments(plain.model(NUMERIC, "float", (self.mels, frames)), self.column, waves)

        def scaled(front: Front, output: str = "") -> str:
            value = front.add("Sub", [self._bands(front), front.constant("/mean", mean)])
            return front.add("Mul", [value, front.constant("/scale", 1.0 / spread)], output)

        split, matrix = Front(self.column, "float", (samples,)), Front(self.column, "float", (samples,))
        scaled(split, NUMERIC)
        value, axis = scaled(matrix), matrix.constant("/time", np.array([2]))
        middle = matrix.add("ReduceMean", [value, axis], keepdims=0)
        square = matrix.add("ReduceMean", [matrix.add("Mul", [value, value]), axis], keepdims=0)
        rest = matrix.add("Sub", [square, matrix.add("Mul", [middle, middle])])
        deviation = matrix.add("Sqrt", [matrix.add("Relu", [rest])])
        matrix.add("Concat", [middle, deviation], FEATURES, axis=1)
        return Encoding(
            inputs=((self.column, "float"),),
            numeric=self.mels * frames,
            cardinalities=(),
            split=split.model(NUMERIC, "float", (self.mels, frames)),
            matrix=matrix.model(FEATURES, "float", (2 * self.mels,)),
            modality="audio",
            size=(self.mels, frames),
        )

    def perturbed(self, values: FloatArray, jitter: float, stream: np.random.Generator) -> FloatArray:
        """A view of each wave [n, T]: shifted by up to ``jitter`` of its length (what leaves at one end comes in at the
        other, so that a background goes on), louder or quieter by up to ``jitter`` · 20 dB, with white noise of up to
        ``jitter`` of the wave's deviation. What would pass 1, or the wave's own peak where that is more, is cut.
        """
        shift, gain, noise = stream.uniform(-1.0, 1.0, (3, len(values))) * jitter
        samples, seen = values.shape[1], np.empty_like(values)
        for row, wave in enumerate(values):
            moved = np.roll(wave, round(shift[row] * samples)) * 10.0 ** gain[row]
            moved = moved + stream.standard_normal(samples) * abs(noise[row]) * moved.std()
            peak = max(1.0, float(np.abs(wave).max()))
            seen[row] = moved.clip(-peak, peak)
        return seen

    def _bands(self, front: Front) -> str:
        """log-mel [N, mels, frames] of the waves."""
        size, hop = round(self.window * self.rate), round(self.hop * self.rate)
        wave = front.add("Unsqueeze", [self.column, front.constant("/channel", np.array([1]))])
        angle, window = _angles(front, size), front.constant("/window", _hann(size))
        parts = []
        for function in ("Cos", "Sin"):
            kernel = front.add("Mul", [front.add(function, [angle]), window])
            value = front.add("Conv", [wave, kernel], strides=[hop])
            parts.append(front.add("Mul", [value, value]))
        power = front.add("Add", parts)
        filters = front.constant("/filters", mel_filters(self.mels, size, self.rate))
        return front.add(
            "Log",
            [
                front.add(
                    "Add",
                    [front.add("MatMul", [filters, power]), front.constant("/floor", np.array(FLOOR, np.float32))],
                )
            ],
        )


def _angles(front: Front, size: int) -> str:
    """2πkn / size [size // 2 + 1, 1, size], of which cosines and sines are the discrete Fourier transform.

    By operators on two short lists: a runtime folds them into a table when it opens the file, and the file does not
    carry one, which would be most of it. Whole numbers are reduced first, so that float32 keeps every angle.
    """
    bins = front.constant("/bins", np.arange(size // 2 + 1).reshape(-1, 1, 1))
    samples = front.constant("/samples", np.arange(size).reshape(1, 1, -1))
    turns = front.add("Mod", [front.add("Mul", [bins, samples]), front.constant("/size", np.array(size))])
    turn = front.constant("/turn", np.array(2 * np.pi / size, np.float32))
    return front.add("Mul", [front.add("Cast", [turns], to=1), turn])


def _hann(size: int) -> FloatArray:
    return np.asarray(0.5 - 0.5 * np.cos(2 * np.pi * np.arange(size) / size), np.float32)


def mel_filters(mels: int, size: int, rate: int) -> FloatArray:
    """Triangles float32 [mels, size // 2 + 1] over the bins of a transform, evenly spaced in mel from 0 to rate / 2."""
    top = 2595 * np.log10(1 + rate / 2 / 700)
    edges = 700 * (10 ** (np.linspace(0, top, mels + 2) / 2595) - 1)
    bins = np.arange(size // 2 + 1) * rate / size
    rise = (bins - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    fall = (edges[2:, None] - bins) / (edges[2:] - edges[1:-1])[:, None]
    return np.asarray(np.maximum(0, np.minimum(rise, fall)), np.float32)


def _moments(model: bytes, name: str, waves: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Mean and deviation [mels, 1] of the bands, over waves that may be in a file."""
    from autodistill import runtime

    session = runtime.open(model)

    def parts() -> Iterator[tuple[float, FloatArray, FloatArray]]:
        for some in pieces(waves):
            (found,) = session.run({name: np.ascontiguousarray(some)})
            many, mean = found.size / found.shape[1], found.mean(axis=(0, 2), dtype=np.float64)
            yield many, mean, found.var(axis=(0, 2), dtype=np.float64) * many

    mean, spread = finished(*joined(parts()))
    return mean[:, None], spread[:, None]
