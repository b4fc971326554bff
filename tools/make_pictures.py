"""Make the pictures of the README and the docs from a real run: ``python -m tools.make_pictures``.

Forty-eight jobs run against the sandbox, on this machine and at no cost. The run's terminal is in tmux, and its
screen becomes ``docs/images/terminal.svg``; afterwards Chromium takes ``docs/images/page.jpg`` of ``batchveo ui``.
Needs tmux, Chromium and the ``dev`` extra; takes a minute.
"""

from __future__ import annotations

import io
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import sync_playwright
from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.text import Text

IMAGES = Path(__file__).parents[1] / "docs" / "images"
BATCHVEO = [sys.executable, "-m", "batchveo"]
COLUMNS, ROWS = 96, 17
PAGE_WIDTH, PAGE_HEIGHT = 1280, 860
SECONDS = 180.0
"""A run that has not ended by then has gone wrong."""

MANIFEST = """\
defaults: {model: google/veo-3.1-t2v-fast, duration: 8}
jobs:
  - name: "{animal}-{place}-{style}"
    prompt: "A {animal} in {place}, {style}"
    matrix:
      animal: [cat, fox, heron, owl]
      place: [Kyoto, Paris, the rain, the snow]
      style: [claymation, film noir, watercolour]
"""


def main() -> None:
    """Make both pictures anew."""
    IMAGES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        here = Path(folder)
        (here / "animals.yaml").write_text(MANIFEST, encoding="utf-8")
        faults = ["--fault", "content-filtered=0.05", "--generation-time", "5", "--seed", "3"]
        with served([*BATCHVEO, "sandbox", "--port", "0", *faults], here) as service:
            screen = run_in_tmux(
                "run animals.yaml --concurrency 8 --budget 100 --yes",
                here,
                service,
                until=r"\b2\d of 48 ",
            )
        save_terminal(screen, IMAGES / "terminal.svg")
        with served([*BATCHVEO, "ui", "--port", "0"], here) as page:
            save_page(page, IMAGES / "page.jpg")


@contextmanager
def served(command: list[str], folder: Path) -> Iterator[str]:
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


def run_in_tmux(arguments: str, folder: Path, service: str, *, until: str) -> str:
    """Run ``batchveo ARGUMENTS`` to its end; return the first screen that matched the pattern."""
    tmux = [shutil.which("tmux") or "tmux", "-L", f"batchveo-{folder.name}", "-f", "/dev/null"]
    environment = [f"AIMLAPI_API_KEY={'k' * 32}", f"BATCHVEO_BASE_URL={service}", "COLORTERM=truecolor"]
    command = shlex.join(["env", *environment, *BATCHVEO, *shlex.split(arguments)])
    size = ["-x", str(COLUMNS), "-y", str(ROWS)]
    subprocess.run([*tmux, "new-session", "-d", *size, "-c", str(folder), command], check=True)
    seen = ""
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        captured = subprocess.run(
            [*tmux, "capture-pane", "-e", "-p"], capture_output=True, text=True, check=False,
        )  # fmt: skip
        if captured.returncode:  # the run has ended, and tmux with it
            break
        if not seen and re.search(until, plain(captured.stdout)):
            seen = captured.stdout
        time.sleep(0.2)
    else:
        subprocess.run([*tmux, "kill-server"], check=False)
        raise RuntimeError(f"the run did not end within {SECONDS:.0f} s")
    if not seen:
        raise RuntimeError(f"{until!r} was never on the screen")
    return seen


def plain(screen: str) -> str:
    """A screen without its colours."""
    return re.sub(r"\x1b\[[\d;]*m", "", screen)


def save_terminal(screen: str, path: Path) -> None:
    """A screen with its colours as SVG, which loads nothing from elsewhere."""
    console = Console(record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True)
    console.print(Text.from_ansi(screen.rstrip()))
    code_format = re.sub(r"@font-face \{\{.*?\}\}\s*", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)
    svg = console.export_svg(title="batchveo run animals.yaml", code_format=code_format)
    path.write_text(svg, encoding="utf-8")


def save_page(address: str, path: Path) -> None:
    """The page as a reader sees it first, when its posters are there."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": PAGE_WIDTH, "height": PAGE_HEIGHT})
        page.goto(address)
        page.wait_for_load_state("networkidle")
        page.screenshot(path=path, type="jpeg", quality=75)
        browser.close()


if __name__ == "__main__":
    main()
