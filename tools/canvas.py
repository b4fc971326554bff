"""A picture to paint shapes on, as arrays of numpy.

Lengths are in short sides of the picture: the middle is (0, 0), y grows downwards, and a wide picture reaches from
-0.5 to 0.5 in height and further in width. A shape is an array of distances to its edge, negative inside.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Plane = NDArray[np.floating[Any]]
Share = Plane | NDArray[np.bool_]
Colour = tuple[float, float, float]

_LATTICE = np.random.default_rng(7).random((256, 256))


class Canvas:
    """A picture of red, green and blue between 0 and 1."""

    def __init__(self, width: int, height: int) -> None:
        self.pixel = 1 / min(width, height)
        self.right, self.bottom = width * self.pixel / 2, height * self.pixel / 2
        rows, columns = np.mgrid[0:height, 0:width]
        self.x: Plane = (columns + 0.5) * self.pixel - self.right
        self.y: Plane = (rows + 0.5) * self.pixel - self.bottom
        self.rgb = np.zeros((height, width, 3))

    def shade(self, stops: list[tuple[float, Colour]]) -> None:
        """Fill the picture from top to bottom; a stop is a height, 0 at the top and 1 at the bottom."""
        heights, colours = zip(*stops, strict=True)
        place = (self.y + self.bottom) / (2 * self.bottom)
        for plane, values in enumerate(zip(*colours, strict=True)):
            self.rgb[..., plane] = np.interp(place, heights, values)

    def paint(self, shape: Plane, colour: Colour, opacity: Plane | float = 1.0) -> None:
        """Fill a shape; its edge is one pixel soft."""
        cover = np.clip(0.5 - shape / self.pixel, 0, 1) * opacity
        self.rgb += cover[..., None] * (np.array(colour) - self.rgb)

    def mix(self, colour: Colour, share: Share) -> None:
        """Blend the picture with a colour, by a share for each pixel."""
        part: Plane = np.clip(share, 0.0, 1.0)
        self.rgb += part[..., None] * (np.array(colour) - self.rgb)

    def glow(self, x: float, y: float, radius: float, colour: Colour) -> None:
        """Add a round light."""
        light = np.exp(-((self.x - x) ** 2 + (self.y - y) ** 2) / radius**2)
        self.rgb += light[..., None] * np.array(colour)

    def disc(self, x: float, y: float, radius: float) -> Plane:
        """A disc."""
        return np.hypot(self.x - x, self.y - y) - radius

    def ellipse(self, x: float, y: float, width: float, height: float) -> Plane:
        """An ellipse, by its half axes."""
        return (np.hypot((self.x - x) / width, (self.y - y) / height) - 1) * min(width, height)

    def box(self, left: float, top: float, right: float, bottom: float) -> Plane:
        """A rectangle."""
        return np.maximum(np.maximum(left - self.x, self.x - right), np.maximum(top - self.y, self.y - bottom))

    def line(self, start: tuple[float, float], end: tuple[float, float], radius: float) -> Plane:
        """A straight line with round ends, ``radius`` being half its width."""
        dx, dy = end[0] - start[0], end[1] - start[1]
        along = ((self.x - start[0]) * dx + (self.y - start[1]) * dy) / (dx * dx + dy * dy)
        along = np.clip(along, 0, 1)
        return np.hypot(self.x - start[0] - along * dx, self.y - start[1] - along * dy) - radius

    def below(self, height: Plane | float) -> Plane:
        """All below a height, say of hills."""
        return height - self.y


def noise(x: Plane, y: Plane, octaves: int = 4) -> Plane:
    """Smooth noise between 0 and 1: clouds, flames, stone. The largest spots are one unit wide."""
    total, weight = np.zeros(np.broadcast_shapes(x.shape, y.shape)), 0.0
    for octave in range(octaves):
        share, scale = 0.5**octave, 2**octave
        total += share * _patches(x * scale + 37 * octave, y * scale + 17 * octave)
        weight += share
    return total / weight


def _patches(x: Plane, y: Plane) -> Plane:
    """Random values at whole coordinates, with smooth steps between them."""
    column, row = np.floor(x).astype(int), np.floor(y).astype(int)
    u, v = x - column, y - row
    u, v = u * u * (3 - 2 * u), v * v * (3 - 2 * v)
    a, b = _LATTICE[row % 256, column % 256], _LATTICE[row % 256, (column + 1) % 256]
    c, d = _LATTICE[(row + 1) % 256, column % 256], _LATTICE[(row + 1) % 256, (column + 1) % 256]
    upper: Plane = a + u * (b - a)
    lower: Plane = c + u * (d - c)
    return upper + v * (lower - upper)
