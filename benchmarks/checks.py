"""What checking costs: one pass over a clip of 1080p, clips an hour, near copies among many."""

from __future__ import annotations

import os
import random
import sys
import time
from fractions import Fraction
from pathlib import Path
from statistics import median

import anyio
import av
from av.filter import Graph

from batchveo.core.measures import CheckLevel
from batchveo.media.near_copies import group_near_copies
from batchveo.media.worker import measure_video
from benchmarks.processes import Finished, run
from benchmarks.rows import Row, at_least, at_most
from benchmarks.spaces import workspace

WIDTH, HEIGHT, FRAME_RATE, BIT_RATE = 1920, 1080, 24, 8_000_000
IN_FLIGHT, GENERATION_SECONDS = 30, 90
LEAST_CLIPS_AN_HOUR = 3600 / GENERATION_SECONDS * IN_FLIGHT
"""What a run brings of which 30 are in flight."""
CORES = 2
MOST_RATIO = 1.0
"""The pass against decoding the clip as a player does, both with the start of their process."""
MOST_SECONDS_10K, MOST_SECONDS_100K = 1.0, 10.0

_DECODE = """
import av, sys
with av.open(sys.argv[1]) as container:
    for stream in container.streams.video:
        stream.thread_type, stream.codec_context.thread_count = "NONE", 1
    for packet in container.demux():
        packet.decode()
"""


def measure(*, quick: bool) -> list[Row]:
    """Pass and plain decoding in turns; then clips one after the other, two at a time; then hashes of clips."""
    seconds, rounds, clips = (2, 2, 4) if quick else (8, 5, 20)
    with workspace() as folder:
        clip = _make_clip(folder / "clip.mp4", seconds)
        megabytes = clip.stat().st_size / 1e6
        turns = [(_check(clip, CheckLevel.BASIC), _check(clip, CheckLevel.ALL), _decode(clip)) for _ in range(rounds)]
        cpu, wall = anyio.run(_check_many, clip, clips)
    basic, everything, decoded = (median(each.cpu for each in column) for column in zip(*turns, strict=True))
    an_hour = clips / cpu * CORES * 3600
    name = f"check of {seconds} s of 1080p"
    return [
        Row(name=f"{name}, basic", figure=basic, unit="s of processor", details=_describe(turns[0][0], megabytes)),
        Row(name=f"{name}, all", figure=everything, unit="s of processor", details=_describe(turns[0][1], megabytes)),
        Row(
            name=f"{name}, basic / decoding alone",
            figure=basic / decoded,
            unit="x",
            target=at_most(MOST_RATIO),
            details=f"{decoded:.2f} s of processor to decode",
        ),
        Row(
            name=f"checks an hour of {seconds} s of 1080p on {CORES} cores",
            figure=an_hour,
            unit="clips/h",
            target=at_least(LEAST_CLIPS_AN_HOUR),
            details=f"by processor time, of the caller too; {clips} took {wall:.1f} s, {CORES} at a time",
        ),
        _group(10_000, MOST_SECONDS_10K),
        *([] if quick else [_group(100_000, MOST_SECONDS_100K)]),
    ]


def _check(clip: Path, level: CheckLevel) -> Finished:
    return run([sys.executable, "-P", "-m", "batchveo.media.child", level.value, "600", str(clip)])


async def _check_many(clip: Path, clips: int) -> tuple[float, float]:
    """Seconds of processor, of this process and all others, and of time, for so many checks."""
    limiter = anyio.CapacityLimiter(CORES)
    before, began = os.times(), time.monotonic()
    async with anyio.create_task_group() as tasks:
        for _ in range(clips):
            tasks.start_soon(lambda: measure_video(clip, CheckLevel.BASIC, limiter=limiter))
    after = os.times()
    return sum(after[:4]) - sum(before[:4]), time.monotonic() - began


def _decode(clip: Path) -> Finished:
    return run([sys.executable, "-c", _DECODE, str(clip)])


def _describe(check: Finished, megabytes: float) -> str:
    return f"with the start of its process; a file of {megabytes:.1f} MB, {check.rss / 1e6:.0f} MB of memory"


def _make_clip(path: Path, seconds: int) -> Path:
    """A turning pattern with noise, as heavy as clips of the service are, and a tone."""
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=FRAME_RATE, options={"preset": "veryfast"})
        video.width, video.height, video.pix_fmt, video.bit_rate = WIDTH, HEIGHT, "yuv420p", BIT_RATE
        audio = container.add_stream("aac", rate=48_000, layout="stereo")
        picture = _make_graph(
            ("testsrc2", f"size={WIDTH}x{HEIGHT}:rate={FRAME_RATE}:duration={seconds}"),
            ("rotate", "a=t/8"),
            ("noise", "alls=8:allf=t"),
            ("format", "yuv420p"),
            ("buffersink", None),
        )
        for number in range(seconds * FRAME_RATE):
            frame = picture.vpull()
            frame.pts, frame.time_base = number, Fraction(1, FRAME_RATE)
            container.mux(video.encode(frame))
        container.mux(video.encode())
        layout = "sample_fmts=fltp:sample_rates=48000:channel_layouts=stereo"
        sound = _make_graph(
            ("sine", f"sample_rate=48000:duration={seconds}"), ("aformat", layout), ("abuffersink", None)
        )
        samples = 0
        while samples < seconds * 48_000:
            tone = sound.pull()
            assert isinstance(tone, av.AudioFrame)
            tone.pts, tone.time_base = samples, Fraction(1, 48_000)
            samples += tone.samples
            container.mux(audio.encode(tone))
        container.mux(audio.encode())
    return path


def _make_graph(*filters: tuple[str, str | None]) -> Graph:
    graph = Graph()
    graph.link_nodes(*(graph.add(*each) for each in filters)).configure()
    return graph


def _group(clips: int, most_seconds: float) -> Row:
    """Seven in ten clips of their own or a copy of one, two in ten nearly without contrast, one in ten black."""
    chance = random.Random(clips)
    hashes = [tuple(chance.getrandbits(64) for _ in range(8)) for _ in range(clips * 6 // 10)]
    hashes += [_change(chance.choice(hashes), chance) for _ in range(clips // 10)]
    hashes += [_make_dark(chance) for _ in range(clips // 5)]
    hashes += [(0,) * 8] * (clips - len(hashes))
    chance.shuffle(hashes)
    began = time.process_time()
    groups = group_near_copies(list(enumerate(hashes)))
    took = time.process_time() - began
    details = f"{len(groups):,} groups, the largest of {max(map(len, groups)):,}"
    name = f"near copies among {clips:,} clips"
    return Row(name=name, figure=took, unit="s of processor", target=at_most(most_seconds), details=details)


def _change(hashes: tuple[int, ...], chance: random.Random) -> tuple[int, ...]:
    changed = list(hashes)
    for _ in range(chance.randrange(20)):
        changed[chance.randrange(8)] ^= 1 << chance.randrange(64)
    return tuple(changed)


def _make_dark(chance: random.Random) -> tuple[int, ...]:
    """Each bit is set in one of 16 cases."""
    return tuple(
        chance.getrandbits(64) & chance.getrandbits(64) & chance.getrandbits(64) & chance.getrandbits(64)
        for _ in range(8)
    )
