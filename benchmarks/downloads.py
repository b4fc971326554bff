"""Megabytes a second of large videos, verified and synced to disk; beside curl, which fetches and syncs.

And the processor time of such a video over TLS, as finished videos come in life.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from benchmarks.processes import Finished, ProgramFailed, batchveo_run, run
from benchmarks.rows import Row, at_least, at_most
from benchmarks.servers import Server, loopback
from benchmarks.spaces import workspace
from benchmarks.workloads import csv_manifest
from tests.helpers.certificate_authority import Authority

VIDEO_BYTES = 8_000_000
AT_ONCE = 16
LEAST_SHARE = 0.7
MOST_GROWTH = 1.1
MOST_CPU = 0.030
"""Seconds of processor for one video over TLS."""
CURL = Path(__file__).parent / "peers" / "curl_synced.sh"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """``videos`` of ``VIDEO_BYTES`` each; ``seconds`` from the first byte asked for to the client's end."""

    videos: int
    seconds: float
    client: Finished

    @property
    def megabytes_per_second(self) -> float:
        return self.videos * VIDEO_BYTES / 1e6 / self.seconds


def measure(*, quick: bool) -> list[Row]:
    """batchveo and curl in turns; then few videos, to see that memory does not grow with their number."""
    videos, rounds = (32, 1) if quick else (128, 3)
    ours, theirs = [], []
    for _ in range(rounds):
        with loopback(video_bytes=VIDEO_BYTES) as server:
            ours.append(_batchveo(server, videos))
        with loopback(video_bytes=VIDEO_BYTES) as server:
            theirs.append(_curl(server, videos))
    with loopback(video_bytes=VIDEO_BYTES) as server:
        few = _batchveo(server, AT_ONCE)
    return [*_rows(ours, theirs, few), *_measure_tls(videos, rounds)]


def _measure_tls(videos: int, rounds: int) -> list[Row]:
    """batchveo and curl in turns over TLS, by a certificate that is made for this and trusted as users would do it."""
    ours: list[float] = []
    theirs: list[float] = []
    with workspace() as folder:
        authority = Authority(folder)
        certificate = authority.write_certificate()
        for _ in range(rounds):
            for fetch, found in ((_batchveo, ours), (_curl, theirs)):
                cpu = []
                for count in (videos, 1):  # that of one video is mostly the start
                    with loopback(video_bytes=VIDEO_BYTES, certificate=certificate) as server:
                        cpu.append(fetch(server, count, trusted=authority.file).client.cpu)
                found.append((cpu[0] - cpu[1]) / (videos - 1))
    setting = f"of 8 MB, {AT_ONCE} at once, median of {rounds}"
    return [
        Row(
            name="downloads over TLS: processor for a video",
            figure=1e3 * median(ours),
            unit="ms",
            target=at_most(1e3 * MOST_CPU),
            details=f"{setting}; with its submit, poll and records; hashed, checked, synced; without the start",
        ),
        Row(
            name="downloads over TLS: processor for a video, curl --parallel",
            figure=1e3 * median(theirs),
            unit="ms",
            details=f"{setting}; synced, not checked",
        ),
    ]


def _batchveo(server: Server, videos: int, *, trusted: Path | None = None) -> Fetched:
    with workspace() as folder:
        manifest = csv_manifest(folder / "m.csv", videos)
        pace = ["--concurrency", str(videos), "--downloads", str(AT_ONCE), "--poll-interval", "0.1"]
        trust = ["env", f"SSL_CERT_FILE={trusted}"] if trusted else []
        client = run([*trust, *batchveo_run(manifest, folder, server.url, *pace)])
        return _fetched(server, client, folder / "videos", videos)


def _curl(server: Server, videos: int, *, trusted: Path | None = None) -> Fetched:
    with workspace() as folder:
        (folder / "videos").mkdir()
        listed = folder / "curl.txt"
        trust = f'cacert = "{trusted}"\n' if trusted else ""
        lines = (
            f'url = "{server.files_url}/files/g-{number}.mp4"\noutput = "{folder}/videos/{number}.mp4"\n'
            for number in range(videos)
        )
        listed.write_text(trust + "".join(lines), encoding="utf-8")
        client = run(["sh", str(CURL), str(listed), str(folder / "videos"), str(AT_ONCE)])
        return _fetched(server, client, folder / "videos", videos)


def _fetched(server: Server, client: Finished, folder: Path, videos: int) -> Fetched:
    whole = [file for file in folder.glob("*.mp4") if file.stat().st_size == VIDEO_BYTES]
    if len(whole) != videos:
        raise ProgramFailed(f"{len(whole)} of {videos} videos came: {client.err}")
    return Fetched(videos=videos, seconds=client.ended - server.seen().first_video, client=client)


def _rows(ours: Sequence[Fetched], theirs: Sequence[Fetched], few: Fetched) -> list[Row]:
    rate = median(one.megabytes_per_second for one in ours)
    curl = median(one.megabytes_per_second for one in theirs)
    rss = median(one.client.rss for one in ours)
    setting = f"{ours[0].videos} videos of 8 MB, {AT_ONCE} at once, median of {len(ours)}"
    return [
        Row(
            name="downloads",
            figure=rate,
            unit="MB/s",
            details=f"{setting}; hashed, container checked, synced; {ours[0].client.cpu:.1f} s of processor",
        ),
        Row(
            name="downloads, curl --parallel",
            figure=curl,
            unit="MB/s",
            details=f"synced, not checked; {theirs[0].client.cpu:.1f} s of processor",
        ),
        Row(name="downloads against curl", figure=rate / curl, unit="", target=at_least(LEAST_SHARE)),
        Row(
            name="downloads: memory",
            figure=rss / few.client.rss,
            unit=f"x that of {AT_ONCE} videos",
            target=at_most(MOST_GROWTH),
            details=f"{rss / 1e6:.0f} MB at most",
        ),
    ]
