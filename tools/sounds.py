"""What the sample clips sound like: one channel of samples between -1 and 1."""

from __future__ import annotations

from collections.abc import Callable
from math import pi

import numpy as np
from numpy.typing import NDArray

Sound = NDArray[np.float64]

RATE = 16_000
"""Samples a second."""
LOUDEST = 0.5


def make_sound(name: str, seconds: int) -> Sound:
    """The sound of a scene, brought to the same loudness at its peak as all others."""
    time = np.arange(seconds * RATE) / RATE
    sound = SOUNDS[name](time, np.random.default_rng(4))
    return sound * LOUDEST / np.abs(sound).max()


def _sea(time: Sound, rng: np.random.Generator) -> Sound:
    swell = 0.25 + 0.75 * (0.5 + 0.5 * np.sin(2 * pi * time / 4 - 1)) ** 2
    return _wind(rng, len(time), 900) * swell


def _snow(time: Sound, rng: np.random.Generator) -> Sound:
    return _wind(rng, len(time), 350) * (0.6 + 0.4 * np.sin(2 * pi * time / 5)) + 0.3 * _bells(time, (1319, 1568), 2.0)


def _street(time: Sound, rng: np.random.Generator) -> Sound:
    cars = _wind(rng, len(time), 250) * (0.4 + 0.6 * np.sin(pi * time / 2.5) ** 2)
    horn = 0.25 * (np.sin(2 * pi * 392 * time) + np.sin(2 * pi * 494 * time)) * ((time % 4 > 2.0) & (time % 4 < 2.3))
    return cars + horn


def _vase(time: Sound, _rng: np.random.Generator) -> Sound:
    return _bells(time, (523, 659, 784, 659), 0.5)


def _fire(time: Sound, rng: np.random.Generator) -> Sound:
    crackle = rng.random(len(time)) * (rng.random(len(time)) > 0.9985)
    tail = np.exp(-np.arange(400) / 60) * rng.standard_normal(400)
    return 0.12 * _wind(rng, len(time), 300) + np.convolve(crackle, tail)[: len(time)]


def _rain(time: Sound, rng: np.random.Generator) -> Sound:
    return _wind(rng, len(time), 4000) * (0.8 + 0.2 * np.sin(2 * pi * time / 3))


def _balloon(time: Sound, rng: np.random.Generator) -> Sound:
    burner = (time % 4 < 1.2) * np.sin(pi * np.clip(time % 4 / 1.2, 0, 1))
    chirp = np.sin(2 * pi * 2600 * time + 12 * np.sin(2 * pi * 11 * time)) * (np.sin(2 * pi * time * 0.7) > 0.8)
    return 0.1 * _wind(rng, len(time), 300) + 0.5 * burner * _wind(rng, len(time), 1200) + 0.15 * chirp


def _train(time: Sound, rng: np.random.Generator) -> Sound:
    beat = np.exp(-(time % 1.0) * 30) + 0.8 * np.exp(-((time - 0.18) % 1.0) * 30)
    return 0.3 * _wind(rng, len(time), 200) + beat * _wind(rng, len(time), 700)


def _aquarium(time: Sound, rng: np.random.Generator) -> Sound:
    age = time * 3 % 1.0
    bubble = np.sin(2 * pi * (420 * age + 900 * age**2) / 3) * np.exp(-age * 9)
    return 0.25 * _wind(rng, len(time), 150) + 0.5 * bubble * (0.6 + 0.4 * np.sin(7 * np.floor(time * 3)))


def _clock(time: Sound, _rng: np.random.Generator) -> Sound:
    pitch = np.where(time % 2 < 1, 1900, 1500)
    return np.sin(2 * pi * pitch * time) * np.exp(-(time % 1.0) * 90)


def _lighthouse(time: Sound, rng: np.random.Generator) -> Sound:
    horn = np.sin(2 * pi * 110 * time) + 0.5 * np.sin(2 * pi * 220 * time)
    return 0.5 * _sea(time, rng) + 0.4 * horn * np.clip(np.sin(2 * pi * time / 4) * 3 - 1.5, 0, 1)


def _stars(time: Sound, _rng: np.random.Generator) -> Sound:
    crickets = np.sin(2 * pi * 3800 * time) * (np.sin(2 * pi * 28 * time) > 0) * (time % 1.0 < 0.55)
    return 0.3 * crickets + 0.5 * _bells(time, (262, 392, 330, 196), 2.0)


def _wind(rng: np.random.Generator, count: int, highest: float) -> Sound:
    """Noise up to a frequency in hertz, above which it fades."""
    spectrum = np.fft.rfft(rng.standard_normal(count))
    frequency = np.fft.rfftfreq(count, 1 / RATE)
    noise = np.fft.irfft(spectrum / (1 + (frequency / highest) ** 2), count)
    return noise / np.abs(noise).max()


def _bells(time: Sound, pitches: tuple[int, ...], every: float) -> Sound:
    """Tones that fade, one every so many seconds."""
    pitch = np.array(pitches)[(time // every).astype(int) % len(pitches)]
    age = time % every
    return (np.sin(2 * pi * pitch * age) + 0.3 * np.sin(4 * pi * pitch * age)) * np.exp(-age * 3 / every)


SOUNDS: dict[str, Callable[[Sound, np.random.Generator], Sound]] = {
    "sea": _sea,
    "snow": _snow,
    "street": _street,
    "vase": _vase,
    "fire": _fire,
    "rain": _rain,
    "balloon": _balloon,
    "train": _train,
    "aquarium": _aquarium,
    "clock": _clock,
    "lighthouse": _lighthouse,
    "stars": _stars,
}
