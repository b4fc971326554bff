"""The documented script in a loop: submit, poll every ten seconds until done, download; then the next prompt.

    python -m benchmarks.peers.script_loop http://127.0.0.1:8642 prompts.txt videos --gap 10

One video at a time, no state: killed, it forgets what was paid for.
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path

import requests

KEY = os.environ.get("AIMLAPI_API_KEY", "")
HEADERS = {"Authorization": f"Bearer {KEY}"}


def make_video(base_url: str, prompt: str, target: Path, gap: float) -> None:
    """Buy one video, wait for it, fetch it; ``gap`` is seconds between two polls."""
    url = f"{base_url}/v2/video/generations"
    answer = requests.post(url, headers=HEADERS, json={"model": "google/veo3", "prompt": prompt}, timeout=120)
    answer.raise_for_status()
    generation = answer.json()["id"]
    while True:
        time.sleep(gap)
        answer = requests.get(url, headers=HEADERS, params={"generation_id": generation}, timeout=30)
        answer.raise_for_status()
        said = answer.json()
        if said["status"] == "completed":
            break
        if said["status"] == "error":
            raise SystemExit(str(said["error"]))
    video = requests.get(said["video"]["url"], timeout=60)
    video.raise_for_status()
    target.write_bytes(video.content)


def main() -> None:
    """One prompt after another."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("url")
    parser.add_argument("prompts", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--gap", type=float, default=10.0, metavar="S")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    for number, prompt in enumerate(options.prompts.read_text(encoding="utf-8").splitlines()):
        make_video(options.url, prompt, options.folder / f"{number}.mp4", options.gap)


if __name__ == "__main__":
    main()
