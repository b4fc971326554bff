"""The documented script in a thread pool: as many videos at once as there are threads.

    python -m benchmarks.peers.threads http://127.0.0.1:8642 prompts.txt videos --gap 10 --workers 10

No state: killed, it forgets what was paid for.
"""

from __future__ import annotations

import argparse
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from benchmarks.peers.script_loop import make_video


def main() -> None:
    """All prompts, ``--workers`` at a time."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("url")
    parser.add_argument("prompts", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--gap", type=float, default=10.0, metavar="S")
    parser.add_argument("--workers", type=int, default=10, metavar="N")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    prompts = options.prompts.read_text(encoding="utf-8").splitlines()
    with ThreadPoolExecutor(options.workers) as pool:
        made = [
            pool.submit(make_video, options.url, prompt, options.folder / f"{number}.mp4", options.gap)
            for number, prompt in enumerate(prompts)
        ]
    for video in made:
        video.result()


if __name__ == "__main__":
    main()
