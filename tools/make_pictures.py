"""Make the pictures of the README and the docs from a real run: ``make pictures``.

Forty-eight jobs run against the sandbox, on this machine and at no cost. The run's terminal is in tmux: its screen in
the middle of the run and at its end become SVG. Then Chromium takes the views of ``batchveo ui``, light and dark. All
go to ``docs/images``; a picture that is too large for a page, or a page that reports an error, ends the program.
Needs tmux, Chromium and the ``dev`` extra; takes two minutes.
"""

from __future__ import annotations

import io
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from playwright.sync_api import Browser, Page, sync_playwright
from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.text import Text

IMAGES = Path(__file__).parents[1] / "docs" / "images"
BATCHVEO = [sys.executable, "-m", "batchveo"]
COLUMNS, ROWS = 100, 24
PAGE_WIDTH, PAGE_HEIGHT = 1280, 800
LARGEST = 200_000
"""Bytes of one picture."""
SECONDS = 180.0
"""A run that has not ended by then has gone wrong."""
QUALITIES = (80, 70, 60, 50)
"""Of JPEG: the first with which a picture is small enough."""

HAS_FRAMES = "[...document.querySelectorAll('video')].every((video) => video.readyState >= 2)"
"""Whether each video of a page has the data of the frame that it shows."""

Found = TypeVar("Found")

ANIMALS, PLACES = ("cat", "fox", "heron", "owl"), ("Kyoto", "Paris", "the snow")
MANIFEST = """\
defaults: {duration: 8, gates: [black_seconds < 0.5, motion > 0.5], tries: 2, per_model: {luma/ray-2: {duration: 9}}}
jobs:
  - name: "{animal}-{place}-{style}-{model}"
    prompt: "A {animal} in {place}, {style}"
    matrix:
      animal: [cat, fox, heron, owl]
      place: [Kyoto, Paris, the snow]
      style: [film noir, watercolour]
      model: [google/veo-3.1-t2v-fast, luma/ray-2]
    meta: {animal: "{animal}", style: "{style}"}
"""
RUN = "run animals.yaml --concurrency 8 --budget 150"
FAULTS = ("content-filtered=0.1", "black=0.06", "throttle=0.02")
MODELS = ("google/veo-3.1-t2v-fast", "luma/ray-2")
BETTER = (1, 0, 1, 1, 1, 0, 1, 1, 0, 1, 1, 1)
"""Which model made the better clip of each animal and place."""


def main() -> None:
    """Make all pictures anew."""
    IMAGES.mkdir(exist_ok=True)
    with make_folder() as here:
        (here / "animals.yaml").write_text(MANIFEST, encoding="utf-8")
        faults = [word for fault in FAULTS for word in ("--fault", fault)]
        sandbox = [*BATCHVEO, "sandbox", "--port", "0", *faults, "--generation-time", "5", "--seed", "3"]
        with serve(sandbox, here) as service:
            middle, end = run_in_tmux(RUN, here, service, until=r"\b2\d of \d\d ")
        save_terminal(middle, IMAGES / "run.svg")
        save_terminal(end, IMAGES / "run-end.svg")
        vote(here)
        with serve([*BATCHVEO, "ui", "--port", "0"], here) as address:
            save_pages(address, find_accepted(here))


@contextmanager
def serve(command: list[str], folder: Path) -> Iterator[str]:
    """The address that a server prints when it is ready; the server ends with the block."""
    server = subprocess.Popen(
        command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    try:
        for line in server.stdout or ():
            if found := re.search(r"http://\S+", line):
                yield found[0]
                break
        else:
            raise RuntimeError(f"{shlex.join(command)} printed no address")
    finally:
        server.terminate()
        server.wait()


@contextmanager
def make_folder() -> Iterator[Path]:
    """An empty folder whose name may be in a picture; raises ``FileExistsError`` if it is there already."""
    folder = Path(tempfile.gettempdir()) / "animals"
    folder.mkdir()
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def vote(folder: Path) -> None:
    """Let a person compare the models, as the view Choose does."""
    places = [f"{animal}-{place}-watercolour" for animal in ANIMALS for place in PLACES]
    for name, better in zip(places, BETTER, strict=True):
        chosen, other = f"{name}-{MODELS[better]}", f"{name}-{MODELS[1 - better]}"
        command = [*BATCHVEO, "pick", chosen, "--over", other, "--by", "ann"]
        # one of the two may have failed
        subprocess.run(command, cwd=folder, check=False, capture_output=True)


def find_accepted(folder: Path) -> str:
    """The id of a job that has a clip to look at, made after a gate had rejected another one if there is such a job."""
    listed = subprocess.run([*BATCHVEO, "jobs", "--json"], cwd=folder, check=True, capture_output=True, text=True)
    jobs = [json.loads(line) for line in listed.stdout.splitlines()]
    accepted = [job for job in jobs if job["verdict"] == "accepted"]
    chosen: str = max(accepted, key=lambda job: job["take"])["id"]
    return chosen


# -- the terminal


def run_in_tmux(arguments: str, folder: Path, service: str, *, until: str) -> tuple[str, str]:
    """Run ``batchveo ARGUMENTS``: the first screen that matched the pattern, and the last one."""
    tmux = [shutil.which("tmux") or "tmux", "-L", f"batchveo-{folder.name}", "-f", "/dev/null"]
    environment = [f"AIMLAPI_API_KEY={'k' * 32}", f"BATCHVEO_BASE_URL={service}", "COLORTERM=truecolor"]
    command = shlex.join(["env", *environment, *BATCHVEO, *shlex.split(arguments), "--yes"])
    ended = folder / "ended"
    # the shell waits, so that the last screen can be seen
    script = f"printf '$ batchveo {arguments}\\n'; {command}; printf '$ '; touch {shlex.quote(str(ended))}; cat"
    size = ["-x", str(COLUMNS), "-y", str(ROWS)]
    start = [*tmux, "new-session", "-d", *size, "-c", str(folder), script]
    subprocess.run(start, check=True, env={**os.environ, "LANG": "C.UTF-8"})
    try:
        seen = wait_for(lambda: find_screen(tmux, until), f"{until!r} was never on the screen")
        wait_for(lambda: ended.exists() or None, "the run did not end")
        return seen, capture_screen(tmux, history=1)
    finally:
        subprocess.run([*tmux, "kill-server"], check=False)


def wait_for(find: Callable[[], Found | None], trouble: str) -> Found:
    """What ``find`` returns at last; raises ``RuntimeError`` with the trouble if that takes too long."""
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        if (found := find()) is not None:
            return found
        time.sleep(0.2)
    raise RuntimeError(f"{trouble} within {SECONDS:.0f} s")


def capture_screen(tmux: list[str], *, history: int = 0) -> str:
    """The screen of the session with its colours, and lines that have left it at the top."""
    command = [*tmux, "capture-pane", "-e", "-p", "-S", str(-history)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def find_screen(tmux: list[str], pattern: str) -> str | None:
    """The screen if it matches the pattern."""
    screen = capture_screen(tmux)
    return screen if re.search(pattern, re.sub(r"\x1b\[[\d;]*m", "", screen)) else None


def save_terminal(screen: str, path: Path) -> None:
    """A screen with its colours as SVG, which loads nothing from elsewhere."""
    console = Console(record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True)
    console.print(Text.from_ansi(f"{screen.rstrip()}\n"))  # without the empty line the last one is cut
    code_format = re.sub(r"@font-face \{\{.*?\}\}\s*", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)
    svg = console.export_svg(title="batchveo", code_format=code_format)
    path.write_text(svg, encoding="utf-8")
    check_size(path)


# -- the page


def save_pages(address: str, accepted: str) -> None:
    """Each view as a reader sees it, light and dark."""
    views: Mapping[str, str] = {
        "page": "#/videos",
        "charts": "#/charts",
        "choose": "#/choose?by=model",
        "compare": "#/compare",
        "job": f"#/job/{accepted}",
    }
    with sync_playwright() as playwright:
        path = shutil.which("chromium") or shutil.which("chromium-headless-shell")
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        for name, view in views.items():
            for scheme in ("light", "dark"):
                save_page(browser, f"{address}/{view}", IMAGES / f"{name}-{scheme}.jpg", scheme)
        browser.close()


def save_page(browser: Browser, url: str, path: Path, scheme: str) -> None:
    """Take a picture of one view, once its posters and the frame of its video are there."""
    page = browser.new_page(
        viewport={"width": PAGE_WIDTH, "height": PAGE_HEIGHT},
        color_scheme="dark" if scheme == "dark" else "light",
    )
    troubles: list[str] = []
    page.on("pageerror", lambda error: troubles.append(str(error)))
    page.goto(url)
    page.wait_for_load_state("networkidle")
    wait_for(lambda: page.evaluate(HAS_FRAMES) or None, f"{url} showed no frame")
    if troubles:
        raise RuntimeError(f"{url}: {'; '.join(troubles)}")
    take_picture(page, path)
    page.close()


def take_picture(page: Page, path: Path) -> None:
    """As good as the size allows."""
    for quality in QUALITIES:
        page.screenshot(path=path, type="jpeg", quality=quality)
        if path.stat().st_size <= LARGEST:
            return
    check_size(path)


def check_size(path: Path) -> None:
    """Raise ``RuntimeError`` if a picture would be slow to load."""
    if path.stat().st_size > LARGEST:
        raise RuntimeError(f"{path.name} has {path.stat().st_size:,} bytes, more than {LARGEST:,}")


if __name__ == "__main__":
    main()
