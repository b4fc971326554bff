"""Random decisions that follow from the seed and the question alone, so that no order of calls changes them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from hashlib import blake2b
from math import exp
from statistics import NormalDist
from typing import TypeVar

T = TypeVar("T")

_NORMAL = NormalDist()
_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


class SeededRandom:
    """Draws values from a hash of the seed and a question such as ``("takes", 17)``: the same for the same question."""

    def __init__(self, seed: object) -> None:
        self._key = blake2b(repr(seed).encode(), digest_size=32).digest()

    def draw_bytes(self, *question: object) -> bytes:
        """Sixteen bytes that cannot be guessed without the seed."""
        text = "\0".join(map(str, question))
        return blake2b(text.encode("utf-8", "surrogatepass"), key=self._key, digest_size=16).digest()

    def draw_hex(self, *question: object) -> str:
        """The same sixteen bytes as 32 hexadecimal digits."""
        return self.draw_bytes(*question).hex()

    def draw_uniform(self, *question: object) -> float:
        """A number above 0 and below 1, uniformly distributed."""
        return (int.from_bytes(self.draw_bytes(*question)[:6], "big") + 0.5) / 2**48

    def draw_log_normal(self, median: float, sigma: float, *question: object) -> float:
        """A log-normal number with this median."""
        return median * exp(sigma * _NORMAL.inv_cdf(self.draw_uniform(*question)))

    def draw_choice(self, options: Sequence[T], *question: object) -> T:
        """One of the options."""
        return options[int(self.draw_uniform(*question) * len(options))]

    def draw_word(self, length: int, *question: object) -> str:
        """A string of up to 21 letters and digits."""
        number = int.from_bytes(self.draw_bytes(*question), "big")
        letters = []
        for _ in range(length):
            number, index = divmod(number, len(_ALPHABET))
            letters.append(_ALPHABET[index])
        return "".join(letters)


class FaultPlan:
    """Decides which fault happens to which call or generation; the same seed decides the same."""

    def __init__(self, chances: Mapping[str, float], random: SeededRandom) -> None:
        self._chances = {name: chance for name, chance in chances.items() if chance > 0}
        self._random = random

    def is_possible(self, name: str) -> bool:
        """Whether this fault happens to anything at all."""
        return name in self._chances

    def has_fault(self, name: str, *subject: object) -> bool:
        """Whether this fault happens to ``subject``, for example the name and the number of a call."""
        chance = self._chances.get(name)
        return chance is not None and self._random.draw_uniform(name, *subject) < chance

    def pick_fault(self, names: Iterable[str], *subject: object) -> str | None:
        """The first of these faults that happens to ``subject``."""
        if not self._chances:
            return None
        return next((name for name in names if self.has_fault(name, *subject)), None)
