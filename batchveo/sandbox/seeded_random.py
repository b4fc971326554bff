"""Chance that is the same for the same question."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from math import exp
from statistics import NormalDist
from typing import TypeVar

T = TypeVar("T")

_NORMAL = NormalDist()
_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


class SeededRandom:
    """Answers from a hash of the seed and the question, so that no order of calls changes them."""

    def __init__(self, seed: object) -> None:
        self._key = blake2b(repr(seed).encode(), digest_size=32).digest()

    def digest(self, *question: object) -> bytes:
        """Sixteen bytes that nobody guesses without the seed."""
        text = "\0".join(map(str, question))
        return blake2b(text.encode("utf-8", "surrogatepass"), key=self._key, digest_size=16).digest()

    def roll(self, *question: object) -> float:
        """A number above 0 and below 1, evenly spread."""
        return (int.from_bytes(self.digest(*question)[:6], "big") + 0.5) / 2**48

    def log_normal(self, median: float, sigma: float, *question: object) -> float:
        """A log-normal number with this median."""
        return median * exp(sigma * _NORMAL.inv_cdf(self.roll(*question)))

    def choice(self, options: Sequence[T], *question: object) -> T:
        """One of the options."""
        return options[int(self.roll(*question) * len(options))]

    def word(self, length: int, *question: object) -> str:
        """A string of up to 21 letters and digits."""
        number = int.from_bytes(self.digest(*question), "big")
        letters = []
        for _ in range(length):
            number, index = divmod(number, len(_ALPHABET))
            letters.append(_ALPHABET[index])
        return "".join(letters)
