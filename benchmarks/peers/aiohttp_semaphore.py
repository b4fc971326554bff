"""What a seasoned programmer writes in an evening: asyncio, aiohttp, a semaphore, a fixed gap between polls.

    python -m benchmarks.peers.aiohttp_semaphore http://127.0.0.1:8642 prompts.txt videos --gap 10 --in-flight 10

Nothing is recorded, nothing synced to disk, nothing verified: an upper bound for how fast a client that does
all of that can be.
"""

from __future__ import annotations

import argparse
import asyncio
import os
from pathlib import Path

import aiohttp

KEY = os.environ.get("AIMLAPI_API_KEY", "")
HEADERS = {"Authorization": f"Bearer {KEY}"}
CHUNK = 1 << 18


async def make_video(session: aiohttp.ClientSession, base_url: str, prompt: str, target: Path, *, gap: float) -> None:
    """Buy one video, wait for it, fetch it; ``gap`` is seconds between two polls."""
    url = f"{base_url}/v2/video/generations"
    body = {"model": "google/veo3", "prompt": prompt}
    async with session.post(url, headers=HEADERS, json=body) as answer:
        answer.raise_for_status()
        generation = (await answer.json())["id"]
    while True:
        await asyncio.sleep(gap)
        async with session.get(url, headers=HEADERS, params={"generation_id": generation}) as answer:
            answer.raise_for_status()
            said = await answer.json()
        if said["status"] == "completed":
            break
        if said["status"] == "error":
            raise SystemExit(str(said["error"]))
    async with session.get(said["video"]["url"]) as video:
        video.raise_for_status()
        with target.open("wb") as out:
            async for chunk in video.content.iter_chunked(CHUNK):
                out.write(chunk)


async def make_all(options: argparse.Namespace) -> None:
    """All prompts, ``--in-flight`` at a time."""
    room = asyncio.Semaphore(options.in_flight)

    async def one(number: int, prompt: str) -> None:
        async with room:
            await make_video(session, options.url, prompt, options.folder / f"{number}.mp4", gap=options.gap)

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=options.in_flight)) as session:
        prompts = options.prompts.read_text(encoding="utf-8").splitlines()
        await asyncio.gather(*(one(number, prompt) for number, prompt in enumerate(prompts)))


def main() -> None:
    """Read the options and make the videos."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("url")
    parser.add_argument("prompts", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--gap", type=float, default=10.0, metavar="S")
    parser.add_argument("--in-flight", type=int, default=10, metavar="N")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    asyncio.run(make_all(options))


if __name__ == "__main__":
    main()
