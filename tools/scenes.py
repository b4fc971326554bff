"""What the sample clips show, drawn frame by frame; ``time`` is in seconds from the start."""

from __future__ import annotations

from collections.abc import Callable
from math import cos, pi, sin

import numpy as np

from tools.canvas import Canvas, Colour, noise

_NIGHT: Colour = (0.03, 0.04, 0.10)


def draw_sea(canvas: Canvas, time: float) -> None:
    """The sun sets over waves, and a boat passes."""
    horizon = 0.05
    canvas.shade([(0.0, (0.20, 0.22, 0.45)), (0.35, (0.85, 0.45, 0.35)), (0.55, (1.0, 0.78, 0.45))])
    bands = noise(canvas.x * 1.5 + time * 0.04, canvas.y * 9 + 3, 3)
    canvas.mix((1.0, 0.62, 0.45), (bands - 0.5) * 2.2 * (canvas.y < horizon))
    canvas.paint(canvas.disc(0.12, -0.03, 0.11), (1.0, 0.93, 0.70))
    canvas.glow(0.12, -0.03, 0.30, (0.25, 0.13, 0.02))
    canvas.paint(canvas.below(horizon), (0.10, 0.22, 0.36))
    depth = np.maximum(canvas.y - horizon, 1e-3)
    swell = np.sin((1.2 / (depth + 0.06)) * 2.2 + time * 2.2 + 1.5 * np.sin(canvas.x * 5 / (depth + 0.3)))
    chop = noise(canvas.x * 6 / (depth + 0.25), 1.6 / (depth + 0.08) + time * 0.9, 2)
    water = canvas.y > horizon
    canvas.mix((0.03, 0.11, 0.22), np.clip(-swell, 0, 1) * 0.55 * water)
    path = np.exp(-(((canvas.x - 0.12) / (0.07 + depth * 0.35)) ** 2))
    canvas.mix((1.0, 0.75, 0.45), np.clip(chop * 2.6 - 1.0 + swell * 0.3, 0, 1) * path * water)
    _draw_boat(canvas, -0.55 + time * 0.06, 0.10 + 0.006 * sin(time * 2.5))


def _draw_boat(canvas: Canvas, x: float, y: float) -> None:
    dark = (0.09, 0.06, 0.10)
    sail = np.maximum(
        canvas.box(x + 0.005, y - 0.16, x + 0.10, y - 0.02), (canvas.x - x) * 0.85 - (canvas.y - y + 0.16)
    )
    canvas.paint(sail * 0.7, (0.93, 0.83, 0.72))
    canvas.paint(canvas.line((x, y), (x, y - 0.18), 0.005), dark)
    canvas.paint(np.maximum(canvas.ellipse(x + 0.02, y - 0.012, 0.10, 0.045), y - 0.012 - canvas.y), dark)


def draw_snow(canvas: Canvas, time: float) -> None:
    """Snow falls on firs and a lit hut at dusk."""
    canvas.shade([(0.0, (0.16, 0.20, 0.36)), (0.6, (0.48, 0.52, 0.66)), (1.0, (0.62, 0.64, 0.74))])
    canvas.paint(
        canvas.below(0.02 + 0.08 * np.sin(canvas.x * 4.5 + 1) + 0.03 * np.sin(canvas.x * 11)), (0.40, 0.44, 0.58)
    )
    ground = 0.24 + 0.03 * np.sin(canvas.x * 3)
    for x, size in ((-0.78, 0.5), (-0.40, 0.62), (-0.22, 0.42), (0.42, 0.55), (0.62, 0.72), (0.84, 0.5)):
        _draw_fir(canvas, x, 0.27, size)
    canvas.paint(canvas.below(ground), (0.86, 0.89, 0.95))
    _draw_hut(canvas, 0.08, 0.27)
    rng = np.random.default_rng(3)
    for layer, (count, size, speed) in enumerate(((40, 0.005, 0.10), (30, 0.008, 0.16), (16, 0.012, 0.25))):
        x, y, phase = rng.random((3, count))
        fallen = (y + time * speed / (2 * canvas.bottom)) % 1.0
        drift = (x + 0.012 * np.sin(time * 1.3 + phase * 2 * pi) + time * 0.01 * layer) % 1.0
        for column, row in zip(drift, fallen, strict=True):
            flake = canvas.disc((2 * column - 1) * canvas.right, (2 * row - 1) * canvas.bottom, size)
            canvas.paint(flake, (1.0, 1.0, 1.0), 0.65 + 0.15 * layer)


def _draw_fir(canvas: Canvas, x: float, y: float, size: float) -> None:
    canvas.paint(canvas.box(x - 0.012, y - 0.05, x + 0.012, y + 0.02), (0.20, 0.14, 0.12))
    for tier in range(4):
        top = y - size * (0.95 - 0.22 * tier)
        half = size * (0.10 + 0.05 * tier)
        height = size * 0.36
        slope = np.abs(canvas.x - x) * height / half
        tree = np.maximum(slope - (canvas.y - top), canvas.y - top - height) * half / height
        canvas.paint(tree, (0.09, 0.19, 0.19))
        canvas.paint(np.maximum(tree, canvas.y - top - height * 0.35), (0.82, 0.86, 0.94))


def _draw_hut(canvas: Canvas, x: float, y: float) -> None:
    canvas.paint(canvas.box(x - 0.13, y - 0.13, x + 0.13, y + 0.03), (0.27, 0.17, 0.13))
    roof = np.maximum(np.abs(canvas.x - x) * 0.75 - (canvas.y - y + 0.27), canvas.y - y + 0.12)
    canvas.paint(roof, (0.93, 0.95, 1.0))
    for window in (-0.06, 0.06):
        canvas.glow(x + window, y - 0.06, 0.10, (0.30, 0.18, 0.04))
        canvas.paint(canvas.box(x + window - 0.03, y - 0.09, x + window + 0.03, y - 0.03), (1.0, 0.82, 0.42))


def draw_street(canvas: Canvas, time: float) -> None:
    """Cars pass along a street at night, below lit windows and lamps."""
    canvas.shade([(0.0, (0.03, 0.03, 0.10)), (0.6, (0.13, 0.09, 0.22)), (1.0, (0.10, 0.08, 0.14))])
    rng = np.random.default_rng(11)
    road = 0.22
    left = -canvas.right - 0.05
    while left < canvas.right:
        width, top = 0.20 + 0.10 * rng.random(), -(0.10 + 0.75 * rng.random() * canvas.bottom)
        tone = 0.05 + 0.05 * rng.random()
        canvas.paint(canvas.box(left, top, left + width, road), (tone, tone, tone * 1.7))
        for row in np.arange(top + 0.04, road - 0.12, 0.075):
            for column in np.arange(left + 0.03, left + width - 0.035, 0.06):
                chance, change = rng.random(2)
                lit = chance < (0.62 if time < change * 16 else 0.30)
                colour = (1.0, 0.80, 0.45) if lit else (0.09, 0.09, 0.15)
                canvas.paint(canvas.box(column, row, column + 0.03, row + 0.04), colour)
        left += width + 0.01
    canvas.paint(canvas.below(road), (0.16, 0.16, 0.19))
    canvas.paint(canvas.below(road + 0.05), (0.08, 0.08, 0.11))
    for x in np.arange(-0.6, 0.7, 0.6):
        canvas.paint(canvas.line((x, road + 0.03), (x, -0.10), 0.006), (0.02, 0.02, 0.03))
        canvas.glow(x, -0.10, 0.16, (0.45, 0.33, 0.12))
        canvas.paint(canvas.disc(x, -0.10, 0.022), (1.0, 0.93, 0.70))
        canvas.glow(x, road + 0.16, 0.13, (0.16, 0.11, 0.04))
    span = 2 * canvas.right + 0.8
    _draw_car(canvas, (time * 0.45 + 0.3) % span - span / 2, road + 0.11, (0.62, 0.12, 0.13), ahead=1)
    _draw_car(canvas, (time * 0.45 + 1.1) % span - span / 2, road + 0.11, (0.75, 0.70, 0.30), ahead=1)
    _draw_car(canvas, span / 2 - (time * 0.6 + 0.7) % span, road + 0.21, (0.20, 0.35, 0.60), ahead=-1)


def _draw_car(canvas: Canvas, x: float, y: float, colour: Colour, *, ahead: int) -> None:
    canvas.paint(canvas.line((x - 0.08, y - 0.10), (x + 0.08, y - 0.10), 0.03), colour)
    canvas.paint(canvas.line((x - 0.06, y - 0.10), (x + 0.06, y - 0.10), 0.02), (0.55, 0.65, 0.75))
    canvas.paint(canvas.line((x - 0.13, y - 0.05), (x + 0.13, y - 0.05), 0.035), colour)
    for wheel in (-0.08, 0.08):
        canvas.paint(canvas.disc(x + wheel, y - 0.015, 0.03), (0.02, 0.02, 0.02))
    canvas.glow(x + ahead * 0.20, y - 0.04, 0.09, (0.55, 0.50, 0.35))
    canvas.paint(canvas.disc(x + ahead * 0.15, y - 0.05, 0.014), (1.0, 1.0, 0.85))
    canvas.paint(canvas.disc(x - ahead * 0.155, y - 0.05, 0.012), (1.0, 0.15, 0.12))


def draw_vase(canvas: Canvas, time: float) -> None:
    """A painted vase turns on a table."""
    canvas.shade([(0.0, (0.36, 0.28, 0.26)), (0.7, (0.62, 0.50, 0.43)), (1.0, (0.5, 0.4, 0.35))])
    canvas.glow(-0.3, -0.35, 0.6, (0.22, 0.18, 0.12))
    canvas.paint(canvas.below(0.27), (0.30, 0.17, 0.11))
    canvas.paint(canvas.below(0.29 + 0 * canvas.x), (0.38, 0.22, 0.14))
    canvas.mix((0.10, 0.05, 0.03), 0.7 * np.exp(-(((canvas.x - 0.10) / 0.26) ** 2) - ((canvas.y - 0.36) / 0.05) ** 2))
    height = np.clip((canvas.y + 0.36) / 0.70, 0, 1)
    radius = 0.10 + 0.14 * np.sin(pi * np.clip(height, 0, 1) ** 0.8) ** 1.4 * (0.55 + 0.6 * height) - 0.02 * height
    radius = radius + 0.035 * np.exp(-((height / 0.06) ** 2))
    across = np.clip(canvas.x / radius, -1, 1)
    angle = np.arcsin(across) + time * 2 * pi / 8
    vase = np.maximum(np.abs(canvas.x) - radius, np.abs(canvas.y + 0.01) - 0.35)
    canvas.paint(vase, (0.90, 0.88, 0.82))
    inside = vase < 0
    blue = (0.10, 0.20, 0.52)
    petals = np.cos(angle * 6) * 0.07 + 0.55
    canvas.mix(blue, inside * (np.abs(height - petals) < 0.025))
    canvas.mix(blue, inside * (np.hypot(np.sin(angle * 3) * 0.55, (height - 0.55) * 5.5) < 0.22))
    canvas.mix((0.75, 0.25, 0.15), inside * (np.hypot(np.cos(angle * 3) * 0.55, (height - 0.55) * 6) < 0.18))
    canvas.mix(
        blue,
        inside * ((np.abs(height - 0.30) < 0.012) | (np.abs(height - 0.80) < 0.012) | (np.abs(height - 0.05) < 0.02)),
    )
    canvas.mix(blue, inside * (height > 0.86) * (np.sin(angle * 12) > 0.2))
    light = np.clip(0.35 + 0.75 * (np.sqrt(1 - across**2) * 0.75 - across * 0.55), 0.12, 1.0)
    canvas.mix((0.08, 0.05, 0.08), inside * (1 - light) * 0.9)
    canvas.mix((1.0, 1.0, 1.0), inside * np.exp(-(((across + 0.45) / 0.12) ** 2) - ((height - 0.5) / 0.16) ** 2) * 0.75)
    canvas.paint(canvas.ellipse(0, -0.355, 0.118, 0.022), (0.16, 0.14, 0.16))


def draw_fire(canvas: Canvas, time: float) -> None:
    """A campfire burns between stones."""
    canvas.shade([(0.0, (0.02, 0.02, 0.05)), (0.7, (0.07, 0.04, 0.05)), (1.0, (0.05, 0.03, 0.03))])
    flicker = 0.85 + 0.15 * sin(time * 11) * sin(time * 7.3)
    canvas.paint(canvas.below(0.24 + 0.02 * np.sin(canvas.x * 7)), (0.11, 0.08, 0.06))
    canvas.glow(0.0, 0.12, 0.55, (0.42 * flicker, 0.17 * flicker, 0.04))
    for x, tilt in ((-0.02, 0.30), (0.02, -0.30), (0.0, 0.06)):
        canvas.paint(
            canvas.line((x - 0.17, 0.29 - tilt * 0.13), (x + 0.17, 0.29 + tilt * 0.13), 0.026), (0.20, 0.10, 0.05)
        )
    rise = (0.30 - canvas.y) / 0.62
    sway = (noise(canvas.x * 3 + 5, canvas.y * 4 + time * 2.6, 3) - 0.5) * 0.38 * np.clip(rise, 0, 1.4)
    width = 0.20 * np.sqrt(np.clip(rise, 0, 1)) * (1 - np.clip(rise, 0, 1)) * 2.1 + 1e-3
    heat = 1 - np.abs(canvas.x + sway) / width
    heat += 0.10 - 0.7 * noise(canvas.x * 7, canvas.y * 6 + time * 3.6, 3) * np.clip(rise, 0, 1)
    heat *= rise > 0
    for least, colour in (
        (0.0, (0.80, 0.16, 0.04)),
        (0.22, (1.0, 0.45, 0.06)),
        (0.48, (1.0, 0.78, 0.20)),
        (0.75, (1.0, 0.96, 0.72)),
    ):
        canvas.mix(colour, (heat - least) * 7)
    rng = np.random.default_rng(5)
    for start, x, speed in rng.random((14, 3)):
        age = (time * (0.35 + 0.3 * speed) + start) % 1.0
        spark = canvas.disc((x - 0.5) * 0.3 + 0.05 * sin(9 * age + 6 * x), 0.1 - age * 0.7, 0.006)
        canvas.paint(spark, (1.0, 0.7, 0.25), 1 - age)
    for x in np.arange(-0.30, 0.31, 0.12):
        canvas.paint(canvas.ellipse(x, 0.34 - 0.12 * x * x, 0.07, 0.045), (0.17, 0.15, 0.15))
        canvas.paint(canvas.ellipse(x, 0.325 - 0.12 * x * x, 0.05, 0.022), (0.36 * flicker, 0.25 * flicker, 0.2))


def draw_rain(canvas: Canvas, time: float) -> None:
    """Rain falls into a pond under a red umbrella."""
    canvas.shade([(0.0, (0.35, 0.40, 0.46)), (0.5, (0.52, 0.57, 0.62)), (1.0, (0.28, 0.34, 0.40))])
    canvas.paint(canvas.below(-0.06 + 0.05 * np.sin(canvas.x * 6) + 0.03 * np.sin(canvas.x * 17)), (0.24, 0.32, 0.31))
    canvas.paint(canvas.below(0.08), (0.30, 0.38, 0.44))
    depth = np.maximum(canvas.y - 0.08, 0)
    canvas.mix((0.20, 0.27, 0.33), np.clip(depth * 2.2, 0, 1))
    rng = np.random.default_rng(9)
    for x, y, start in rng.random((26, 3)):
        age = (time * 0.9 + start) % 1.0
        row = 0.10 + y * (canvas.bottom - 0.12)
        size = age * (0.05 + 0.12 * y)
        ring = np.abs(canvas.ellipse((2 * x - 1) * canvas.right, row, size + 0.004, (size + 0.004) * 0.32)) - 0.004
        canvas.paint(ring, (0.75, 0.82, 0.88), (1 - age) * 0.9)
    _draw_umbrella(canvas, -0.08 + 0.01 * sin(time * 1.2), 0.20)
    for x, y, start in rng.random((46, 3)):
        row = ((y + time * (1.6 + 0.5 * start)) % 1.0) * 2.6 * canvas.bottom - 1.3 * canvas.bottom
        column = (2 * x - 1) * canvas.right * 1.1 - row * 0.10
        streak = canvas.line((column, row), (column - 0.012, row + 0.12), 0.0022)
        canvas.paint(streak, (0.86, 0.91, 0.96), 0.55)


def _draw_umbrella(canvas: Canvas, x: float, y: float) -> None:
    coat = np.maximum(np.abs(canvas.x - x) - 0.05 - (canvas.y - y + 0.18) * 0.20, np.abs(canvas.y - y + 0.06) - 0.14)
    canvas.mix((0.10, 0.13, 0.17), 0.6 * np.exp(-(((canvas.x - x) / 0.12) ** 2) - ((canvas.y - y - 0.11) / 0.02) ** 2))
    for leg in (-0.03, 0.03):
        canvas.paint(canvas.line((x + leg, y + 0.06), (x + leg, y + 0.11), 0.013), (0.10, 0.10, 0.13))
    canvas.paint(coat, (0.85, 0.65, 0.18))
    canvas.paint(canvas.disc(x, y - 0.23, 0.042), (0.80, 0.62, 0.50))
    canvas.paint(canvas.line((x + 0.05, y - 0.08), (x + 0.05, y - 0.42), 0.005), (0.13, 0.10, 0.10))
    dome = np.maximum(canvas.ellipse(x + 0.05, y - 0.26, 0.24, 0.19), canvas.y - (y - 0.26))
    canvas.paint(dome, (0.78, 0.13, 0.15))
    stripes = np.abs(np.sin((canvas.x - x - 0.05) / np.sqrt(np.clip((canvas.y - y + 0.47) * 2.2, 0.02, 1)) * 11))
    canvas.mix((0.58, 0.07, 0.10), (dome < 0) * np.clip(stripes * 2 - 1.2, 0, 1))


def draw_balloon(canvas: Canvas, time: float) -> None:
    """Hot-air balloons rise over hills in the morning."""
    canvas.shade([(0.0, (0.33, 0.60, 0.90)), (0.7, (0.80, 0.90, 0.97)), (1.0, (0.95, 0.93, 0.88))])
    clouds = noise(canvas.x * 1.6 + time * 0.07, canvas.y * 3.5 + 8, 4)
    canvas.mix((1.0, 1.0, 1.0), (clouds - 0.50) * 4)
    _draw_balloon(canvas, 0.52 - time * 0.012, 0.02 - time * 0.018, 0.09, (0.20, 0.45, 0.70), (0.95, 0.95, 0.90))
    for base, colour in ((0.18, (0.55, 0.68, 0.62)), (0.26, (0.42, 0.60, 0.42)), (0.36, (0.28, 0.48, 0.24))):
        hills = base + 0.05 * np.sin(canvas.x * (7 - base * 9) + base * 40) + 0.02 * np.sin(canvas.x * 13 + base * 90)
        canvas.paint(canvas.below(hills), colour)
    _draw_balloon(canvas, -0.16 + time * 0.03, 0.10 - time * 0.045, 0.21, (0.90, 0.22, 0.16), (1.0, 0.80, 0.22))


def _draw_balloon(canvas: Canvas, x: float, y: float, size: float, colour: Colour, other: Colour) -> None:
    below = np.clip((canvas.y - y) / size, 0, 2)
    width = np.where(canvas.y < y, 1.0, 1 - 0.52 * np.clip(below, 0, 1.3) ** 1.5)
    across = (canvas.x - x) / (size * np.maximum(width, 0.1))
    up = np.where(canvas.y < y, (canvas.y - y) / size, 0)
    envelope = np.maximum(np.hypot(across, up) - 1, (below - 1.25)) * size
    for rope in (-0.20, 0.20):
        canvas.paint(
            canvas.line((x + rope * size, y + 1.2 * size), (x + rope * 0.8 * size, y + 1.6 * size), 0.003),
            (0.2, 0.15, 0.1),
        )
    canvas.paint(envelope, colour)
    gore = np.arcsin(np.clip(across / np.sqrt(np.clip(1 - up**2, 0.05, 1)), -1, 1))
    canvas.mix(other, (envelope < 0) * np.clip(np.sin(gore * 7) * 6, 0, 1))
    canvas.mix((0.12, 0.05, 0.12), (envelope < 0) * np.clip(across * 0.35 + 0.1, 0, 0.5))
    canvas.paint(canvas.box(x - 0.18 * size, y + 1.55 * size, x + 0.18 * size, y + 1.85 * size), (0.42, 0.27, 0.14))


def draw_train(canvas: Canvas, time: float) -> None:
    """The view from a train: mountains, fields, a fence and poles pass."""
    canvas.shade([(0.0, (0.45, 0.65, 0.88)), (0.6, (0.90, 0.90, 0.85)), (1.0, (0.8, 0.8, 0.7))])
    far, near = canvas.x + time * 0.03, canvas.x + time * 0.18
    ridge = -0.10 - 0.16 * np.abs(np.sin(far * 3.1)) - 0.05 * np.abs(np.sin(far * 9.7))
    canvas.paint(canvas.below(ridge), (0.50, 0.55, 0.68))
    canvas.mix((0.95, 0.96, 1.0), (canvas.y > ridge) * (canvas.y < ridge + 0.04) * (ridge < -0.19) * 1.0)
    canvas.paint(canvas.below(0.0 + 0.03 * np.sin(near * 5)), (0.52, 0.62, 0.33))
    canvas.paint(canvas.below(0.10 + 0.02 * np.sin(near * 3.3)), (0.82, 0.72, 0.32))
    for number in range(-1, 12):
        x = number * 0.52 - time * 0.18 + 0.11 * (number % 3) - 0.9
        canvas.paint(canvas.box(x - 0.010, -0.06, x + 0.010, 0.06), (0.30, 0.20, 0.12))
        canvas.paint(canvas.disc(x, -0.10, 0.065), (0.22, 0.42, 0.18))
        canvas.paint(canvas.disc(x - 0.02, -0.12, 0.03), (0.34, 0.55, 0.24))
    rows = noise((canvas.x + time * 1.1) * 5, canvas.y * 30, 2)
    canvas.paint(canvas.below(0.24), (0.30, 0.44, 0.18))
    canvas.mix((0.44, 0.60, 0.24), (canvas.y > 0.24) * (rows - 0.4) * 2)
    shift = time * 1.1
    posts = np.arange(-1.0 - (shift % 0.25), 1.2, 0.25)
    for height in (0.22, 0.28):
        canvas.paint(canvas.box(-2, height, 2, height + 0.012), (0.62, 0.50, 0.36))
    for x in posts:
        canvas.paint(canvas.box(x - 0.012, 0.19, x + 0.012, 0.36), (0.50, 0.38, 0.26))
    pole = 1.0 - (time * 1.6) % 2.4
    canvas.paint(canvas.box(pole - 0.02, -1, pole + 0.02, 1), (0.25, 0.20, 0.18))
    frame = np.minimum(canvas.right - np.abs(canvas.x), canvas.bottom - np.abs(canvas.y)) - 0.035
    canvas.paint(frame, (0.16, 0.17, 0.20))


def draw_aquarium(canvas: Canvas, time: float) -> None:
    """Fish swim between weeds and bubbles."""
    canvas.shade([(0.0, (0.30, 0.75, 0.85)), (0.6, (0.05, 0.38, 0.60)), (1.0, (0.02, 0.18, 0.36))])
    rays = noise(canvas.x * 3 + canvas.y * 0.9 + time * 0.15, canvas.y * 0.2 + time * 0.1, 2)
    canvas.mix((0.75, 0.95, 0.95), np.clip(rays - 0.5, 0, 1) * 1.6 * np.clip(0.5 - canvas.y / 2 / canvas.bottom, 0, 1))
    floor = canvas.bottom - 0.10
    canvas.paint(canvas.below(floor + 0.02 * np.sin(canvas.x * 6)), (0.72, 0.62, 0.42))
    for x, size in ((-0.72, 0.5), (-0.43, 0.34), (-0.33, 0.5), (0.35, 0.55), (0.46, 0.38), (0.78, 0.45)):
        up = np.clip((floor + 0.03 - canvas.y) / size, 0, 1)
        bend = 0.045 * np.sin(up * 7 + time * 1.8 + x * 9) * up
        weed = np.maximum(np.abs(canvas.x - x - bend) - 0.026 * (1 - up), floor + 0.03 - size - canvas.y)
        canvas.paint(np.maximum(weed, canvas.y - floor - 0.03), (0.12, 0.45, 0.24))
    span = 2 * canvas.right + 0.6
    shoal: tuple[tuple[float, float, float, float, Colour], ...] = (
        (0.2, -0.22, 0.15, 0.13, (1.0, 0.55, 0.12)),
        (1.0, 0.06, 0.11, -0.17, (0.98, 0.85, 0.25)),
        (0.6, 0.22, 0.08, 0.22, (0.90, 0.35, 0.45)),
        (1.5, -0.05, 0.07, 0.20, (0.85, 0.90, 0.95)),
        (1.9, -0.36, 0.09, -0.12, (0.55, 0.35, 0.80)),
    )
    for start, y, size, speed, colour in shoal:
        x = (start + time * speed) % span - span / 2
        _draw_fish(canvas, x, y + 0.015 * sin(time * 2 + start * 9), size, colour, 1 if speed > 0 else -1, time)
    rng = np.random.default_rng(2)
    for x, start, size in rng.random((12, 3)):
        up = (start + time * (0.18 + 0.1 * size)) % 1.0
        column = 0.12 + 0.12 * x + 0.015 * sin(time * 4 + 9 * x)
        ring = np.abs(canvas.disc(column, floor - up * 2 * canvas.bottom, 0.008 + 0.012 * size)) - 0.003
        canvas.paint(ring, (0.85, 0.97, 1.0), 0.8)


def _draw_fish(canvas: Canvas, x: float, y: float, size: float, colour: Colour, ahead: int, time: float) -> None:
    beat = 0.25 * sin(time * 9 + y * 20)
    back = -(canvas.x - x) * ahead - size * 0.85
    tail = np.maximum(np.abs(canvas.y - y - beat * back) - 0.05 * size - back * 0.75, back - size * 0.55)
    canvas.paint(np.maximum(tail, -back), tuple(0.75 * part for part in colour))  # type: ignore[arg-type]
    body = canvas.ellipse(x, y, size, size * 0.52)
    canvas.paint(body, colour)
    for stripe in (0.30, -0.25):
        canvas.paint(np.maximum(body, np.abs(canvas.x - x - ahead * size * stripe) - size * 0.08), (1.0, 1.0, 0.96))
    canvas.paint(canvas.disc(x + ahead * size * 0.62, y - size * 0.10, size * 0.12), (1.0, 1.0, 1.0))
    canvas.paint(canvas.disc(x + ahead * size * 0.65, y - size * 0.10, size * 0.07), (0.02, 0.02, 0.05))


def draw_clock(canvas: Canvas, time: float) -> None:
    """A clock on a papered wall, its pendulum and its second hand moving."""
    canvas.shade([(0.0, (0.28, 0.42, 0.38)), (1.0, (0.20, 0.32, 0.30))])
    canvas.mix((0.36, 0.52, 0.46), (np.sin(canvas.x * 42) > 0.55) * 0.5)
    canvas.glow(-0.35, -0.35, 0.7, (0.16, 0.13, 0.07))
    canvas.mix((0.05, 0.06, 0.06), 0.55 * (canvas.box(-0.19, -0.38, 0.27, 0.46) < 0))
    canvas.paint(np.maximum(np.abs(canvas.x) * 0.6 - (canvas.y + 0.47), canvas.y + 0.32), (0.30, 0.15, 0.08))
    canvas.paint(canvas.box(-0.23, -0.36, 0.23, 0.42), (0.42, 0.22, 0.11))
    canvas.paint(canvas.box(-0.15, 0.06, 0.15, 0.38), (0.12, 0.06, 0.04))
    swing = 0.42 * cos(time * pi)
    bob = (0.26 * sin(swing), 0.05 + 0.24 * cos(swing))
    canvas.paint(np.maximum(canvas.line((0, 0.02), bob, 0.005), 0.06 - canvas.y), (0.80, 0.65, 0.30))
    canvas.paint(canvas.disc(*bob, 0.045), (0.92, 0.75, 0.32))
    canvas.paint(canvas.disc(bob[0] - 0.012, bob[1] - 0.012, 0.015), (1.0, 0.95, 0.75))
    canvas.paint(canvas.disc(0, -0.14, 0.20), (0.75, 0.58, 0.25))
    canvas.paint(canvas.disc(0, -0.14, 0.18), (0.96, 0.93, 0.84))
    for hour in range(12):
        turn = hour * pi / 6
        inner = 0.145 if hour % 3 else 0.13
        marks = canvas.line(
            (inner * sin(turn), -0.14 - inner * cos(turn)), (0.163 * sin(turn), -0.14 - 0.163 * cos(turn)), 0.006
        )
        canvas.paint(marks, (0.15, 0.10, 0.08))
    for turn, length, radius, colour in (
        (2 * pi * 10 / 12, 0.09, 0.009, (0.1, 0.08, 0.08)),
        (2 * pi * (9 / 60 + time / 3600), 0.13, 0.007, (0.1, 0.08, 0.08)),
        (2 * pi * int(time) / 60, 0.15, 0.004, (0.75, 0.12, 0.10)),
    ):
        canvas.paint(canvas.line((0, -0.14), (length * sin(turn), -0.14 - length * cos(turn)), radius), colour)


def draw_lighthouse(canvas: Canvas, time: float) -> None:
    """The beam of a lighthouse sweeps over the sea at night."""
    canvas.shade([(0.0, _NIGHT), (0.6, (0.12, 0.16, 0.30)), (1.0, (0.1, 0.14, 0.26))])
    _draw_stars(canvas, 50)
    canvas.paint(canvas.disc(-0.38, -0.30, 0.07), (0.95, 0.93, 0.80))
    canvas.paint(canvas.disc(-0.35, -0.32, 0.06), (0.06, 0.07, 0.15))
    lamp_x, lamp_y = 0.22, -0.22
    sweep = time * 2 * pi / 4
    reach = cos(sweep)
    dx, dy = canvas.x - lamp_x, canvas.y - lamp_y
    for side in (1, -1):
        along = dx * side * np.sign(reach)
        wide = 0.02 + 0.14 * along * (0.4 + 0.6 * abs(reach))
        beam = np.clip(1 - np.abs(dy) / np.maximum(wide, 1e-3), 0, 1) * (along > 0)
        canvas.mix((1.0, 0.95, 0.70), beam * abs(reach) * 0.75 * np.exp(-along / (0.25 + 1.2 * abs(reach))))
    canvas.paint(canvas.below(0.20), (0.05, 0.10, 0.19))
    depth = np.maximum(canvas.y - 0.20, 1e-3)
    glint = noise(canvas.x * 5 / (depth + 0.3), 1.4 / (depth + 0.08) + time * 0.8, 2)
    canvas.mix((0.45, 0.55, 0.70), (canvas.y > 0.20) * np.clip(glint * 2.4 - 1.25, 0, 1) * 0.7)
    rock = 0.40 - 0.20 * np.exp(-(((canvas.x - 0.24) / 0.26) ** 4)) - 0.05 * noise(canvas.x * 14, 0 * canvas.y, 2)
    canvas.paint(canvas.below(rock), (0.07, 0.07, 0.09))
    canvas.mix((0.20, 0.20, 0.24), (canvas.y > rock) * (noise(canvas.x * 9, canvas.y * 14, 3) - 0.5) * 1.5)
    taper = 0.055 + (canvas.y + 0.16) * 0.07
    tower = np.maximum(np.abs(canvas.x - lamp_x) - taper, np.maximum(-0.17 - canvas.y, canvas.y - 0.24))
    canvas.paint(tower, (0.80, 0.80, 0.82))
    canvas.mix((0.70, 0.13, 0.13), (tower < 0) * (np.floor((canvas.y + 0.17) / 0.082) % 2 == 1) * 1.0)
    canvas.mix((0.03, 0.03, 0.08), (tower < 0) * np.clip((canvas.x - lamp_x) / 0.09 + 0.35, 0, 0.75))
    canvas.paint(canvas.box(lamp_x - 0.075, -0.185, lamp_x + 0.075, -0.165), (0.10, 0.10, 0.12))
    canvas.paint(canvas.box(lamp_x - 0.04, -0.26, lamp_x + 0.04, -0.185), (1.0, 0.90, 0.55))
    canvas.paint(np.maximum(np.abs(canvas.x - lamp_x) * 0.8 - (canvas.y + 0.31), canvas.y + 0.255), (0.55, 0.10, 0.10))
    canvas.glow(lamp_x, lamp_y, 0.10 + 0.10 * (1 - abs(reach)), (0.55, 0.45, 0.22))


def _draw_stars(canvas: Canvas, count: int, turn: float = 0.0) -> None:
    """Stars around a pole above the middle, turned by an angle."""
    rng = np.random.default_rng(1)
    for distance, angle, size in rng.random((count, 3)):
        radius = 1.25 * distance**0.6
        x, y = radius * cos(2 * pi * angle + turn), -0.25 + radius * sin(2 * pi * angle + turn)
        canvas.paint(canvas.disc(x, y, 0.003 + 0.005 * size**3), (1.0, 0.98, 0.92), 0.45 + 0.5 * size)


def draw_stars(canvas: Canvas, time: float) -> None:
    """The sky turns over mountains and a lit tent, and a star falls."""
    canvas.shade([(0.0, (0.02, 0.03, 0.12)), (0.65, (0.16, 0.14, 0.34)), (1.0, (0.42, 0.24, 0.36))])
    band = np.exp(-(((canvas.x * 0.8 + canvas.y + 0.1) / 0.22) ** 2))
    canvas.mix((0.55, 0.50, 0.75), band * (noise(canvas.x * 4, canvas.y * 4) - 0.25) * 0.55)
    _draw_stars(canvas, 130, time * 0.045)
    age = (time - 1.5) % 4.0
    if age < 1.0:
        head = (-0.45 + 0.75 * age, -0.42 + 0.28 * age)
        for step in range(6):
            trail = (head[0] - 0.03 * step, head[1] - 0.0112 * step)
            canvas.paint(canvas.disc(*trail, 0.010 - 0.0013 * step), (1.0, 1.0, 0.92), (1 - age) * (1 - step / 7))
    ridge = 0.16 - 0.20 * np.abs(np.sin(canvas.x * 2.6 + 0.9)) + 0.02 * np.sin(canvas.x * 23)
    canvas.paint(canvas.below(ridge), (0.10, 0.09, 0.20))
    canvas.paint(canvas.below(0.26 + 0.03 * np.sin(canvas.x * 5 + 2)), (0.05, 0.05, 0.10))
    warm = 0.9 + 0.1 * sin(time * 5)
    canvas.glow(0.16, 0.30, 0.22, (0.30 * warm, 0.16 * warm, 0.04))
    tent = np.maximum(np.abs(canvas.x - 0.16) * 0.95 - (canvas.y - 0.17), canvas.y - 0.34)
    canvas.paint(tent, (0.95 * warm, 0.58 * warm, 0.20))
    canvas.paint(np.maximum(np.abs(canvas.x - 0.16) * 3.6 - (canvas.y - 0.19), canvas.y - 0.34), (1.0, 0.86, 0.50))


DRAWINGS: dict[str, Callable[[Canvas, float], None]] = {
    "aquarium": draw_aquarium,
    "balloon": draw_balloon,
    "clock": draw_clock,
    "fire": draw_fire,
    "lighthouse": draw_lighthouse,
    "rain": draw_rain,
    "sea": draw_sea,
    "snow": draw_snow,
    "stars": draw_stars,
    "street": draw_street,
    "train": draw_train,
    "vase": draw_vase,
}
