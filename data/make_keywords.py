"""Build data/keywords.parquet, 6,000 keywords by a speech synthesiser, or data/keywords_teacher.onnx from others.

pip install espeakng-loader             (espeak-ng and its voices, GPL-3: nothing of it is in the table)
python data/make_keywords.py            (half a minute)
python data/make_keywords.py teacher    (8,000 further clips, then three minutes of training on one core)

Nobody speaks here. Each clip is one word by espeak-ng 1.52 in one of 20 voices and 4 accents, at a pitch and a speed of
its own, resampled to 8 kHz, cut or filled to 0.64 s from a moment of its own on, with noise of one of two loudnesses.
"""

import ctypes
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from scipy.signal import lfilter, resample_poly

RATE, SAMPLES, ROWS, TAUGHT = 8000, 5120, 6000, 8000
WORDS = ("yes", "no", "up", "down", "left", "right", "on", "off", "stop", "go")
OTHERS = ("bed", "bird", "cat", "dog", "happy", "house", "marvin", "sheila", "tree", "wow", "five", "seven")
ACCENTS = ("en-us", "en-gb-x-rp", "en-gb-scotland", "en-029")
VOICES = {
    "low": ("m1", "m2", "m3", "m4", "m5", "m7"),
    "high": ("f1", "f2", "f3", "f4", "f5"),
    "hoarse": ("croak", "whisper", "whisperf", "grandma", "grandpa"),
    "klatt": ("klatt", "klatt2", "klatt3", "klatt4"),
}
SNR = {"quiet": (20.0, 30.0), "noisy": (3.0, 10.0)}  # decibels
SYNCHRONOUS, UTF8, SPEED, PITCH = 2, 1, 1, 3  # espeak-ng's numbers for them


class Synthesiser:
    """espeak-ng through its library."""

    def __init__(self) -> None:
        try:
            import espeakng_loader
        except ModuleNotFoundError:
            raise SystemExit("espeak-ng is missing: pip install espeakng-loader") from None
        self.espeak = ctypes.CDLL(espeakng_loader.get_library_path())
        self.rate = self.espeak.espeak_Initialize(SYNCHRONOUS, 0, espeakng_loader.get_data_path().encode(), 0)
        self._parts: list[np.ndarray] = []
        kind = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)
        self._heard = kind(self._take)  # kept: the library calls it as long as it lives
        self.espeak.espeak_SetSynthCallback(self._heard)

    def _take(self, wave: "ctypes._Pointer[ctypes.c_short]", count: int, _events: int) -> int:
        if wave and count:
            self._parts.append(np.ctypeslib.as_array(wave, (count,)).copy())
        return 0

    def say(self, word: str, voice: str, pitch: int, speed: int) -> np.ndarray:
        """The word as float64 in [-1, 1] at ``RATE``, without the silence around it."""
        if self.espeak.espeak_SetVoiceByName(voice.encode()) != 0:
            raise SystemExit(f"espeak-ng has no voice {voice}")
        self.espeak.espeak_SetParameter(PITCH, pitch, 0)
        self.espeak.espeak_SetParameter(SPEED, speed, 0)
        self._parts = []
        text = word.encode() + b"\0"
        self.espeak.espeak_Synth(text, len(text), 0, 1, 0, UTF8, None, None)
        self.espeak.espeak_Synchronize()
        wave = resample_poly(np.concatenate(self._parts) / 32768.0, RATE, self.rate)
        loud = np.flatnonzero(np.abs(wave) > 0.02 * np.abs(wave).max())
        return wave[loud[0] : loud[-1] + 1]


def clips(rows: int, seed: int) -> pa.Table:
    """Waves float32 [SAMPLES] (12 bits), the word (``other`` for twelve that are none), and how each was made."""
    rng, synthesiser = np.random.default_rng(seed), Synthesiser()
    waves, made = np.zeros((rows, SAMPLES), np.float32), []
    for at in range(rows):
        word = str(rng.choice(WORDS)) if rng.random() < 10 / 11 else str(rng.choice(OTHERS))
        kind = str(rng.choice(list(VOICES)))
        voice, noise = f"{rng.choice(ACCENTS)}+{rng.choice(VOICES[kind])}", str(rng.choice(list(SNR)))
        said = synthesiser.say(word, voice, int(rng.integers(25, 76)), int(rng.integers(140, 241)))[:SAMPLES]
        start = int(rng.integers(0, SAMPLES - len(said) + 1))
        wave = np.zeros(SAMPLES)
        wave[start : start + len(said)] = said / np.sqrt(np.mean(said**2))
        hiss = lfilter([1.0], [1.0, -float(rng.uniform(0.0, 0.9))], rng.normal(size=SAMPLES))
        wave += hiss / hiss.std() * 10 ** (-rng.uniform(*SNR[noise]) / 20)
        waves[at] = np.round(wave / np.abs(wave).max() * float(rng.uniform(0.3, 0.99)) * 2048) / 2048
        made.append((word if word in WORDS else "other", kind, voice, noise))
    keyword, kind, voice, noise = zip(*made, strict=True)
    return pa.table(
        {
            "wave": pa.FixedShapeTensorArray.from_numpy_ndarray(waves),
            "voice": pa.array(kind),
            "variant": pa.array(voice),
            "noise": pa.array(noise),
            "keyword": pa.array(keyword),
        }
    )


def teacher(out: Path) -> None:
    """Train on clips of another seed than the table's."""
    import torch
    from teacher_network import Network, error, fitted, save

    from autodistill.inputs.audio import mel_filters

    size, hop, mels = 256, 128, 32

    class Bands(torch.nn.Module):
        """Waves [n, T] to log-mel [n, mels, frames] of about mean 0 and deviation 1."""

        def __init__(self) -> None:
            super().__init__()
            at = np.arange(size)
            angle = 2 * np.pi * np.outer(np.arange(size // 2 + 1), at) / size
            hann = 0.5 - 0.5 * np.cos(2 * np.pi * at / size)
            waves = np.concatenate([np.cos(angle) * hann, np.sin(angle) * hann])[:, None]
            self.register_buffer("waves", torch.tensor(waves, dtype=torch.float32))
            self.register_buffer("filters", torch.tensor(mel_filters(mels, size, RATE)))

        def forward(self, wave: torch.Tensor) -> torch.Tensor:
            found = torch.nn.functional.conv1d(wave[:, None], self.waves, stride=hop).square()
            half = size // 2 + 1
            power = torch.matmul(self.filters, found[:, :half] + found[:, half:])
            return (torch.log(power + 1e-6) + 1.0) / 3.0

    torch.manual_seed(0)
    classes = tuple(sorted((*WORDS, "other")))

    def tensors(table: pa.Table) -> tuple[torch.Tensor, torch.Tensor]:
        waves = table["wave"].combine_chunks().to_numpy_ndarray()
        code = np.searchsorted(classes, table["keyword"].to_numpy(zero_copy_only=False).astype(str))
        return torch.from_numpy(waves.copy()), torch.from_numpy(code.astype(np.int64))

    cells, y = tensors(clips(TAUGHT, seed=1))
    test = tensors(clips(1000, seed=2))
    network = fitted(Network(Bands(), len(classes)), cells, y, 8, lambda wave: wave)
    print(f"error on 1,000 further clips: {100 * error(network, *test):.2f} %")
    save(network, "wave", test[0][:64], out)


if __name__ == "__main__":
    here = Path(__file__).parent
    if sys.argv[1:] == ["teacher"]:
        teacher(here / "keywords_teacher.onnx")
    elif not sys.argv[1:]:
        to = here / "keywords.parquet"
        pq.write_table(
            clips(ROWS, seed=0), to, compression="zstd", use_byte_stream_split=["wave"], use_dictionary=False
        )
        print(f"{to}: {to.stat().st_size:,} bytes")
    else:
        raise SystemExit(__doc__)
