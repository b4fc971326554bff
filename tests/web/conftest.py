"""A night to look at, a client within the process, and a real browser."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import httpx
import pytest
from starlette.types import ASGIApp

from batchveo.core.models import Job, JobSpec, JobState
from batchveo.core.state_machine import Move
from batchveo.sandbox.asgi_server import running
from batchveo.sandbox.sample_clips import sample_video
from batchveo.storage.file_system import measure_file
from batchveo.storage.sidecar import sidecar_path
from batchveo.store import Store
from batchveo.web.app import make_app
from batchveo.web.page import read_asset
from batchveo.web.security import CSRF_HEADER, Secrets
from tests.helpers.factories import make_spec

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, Route

S = JobState
HOSTILE = (
    "<script>document.title='owned'</script></script><!-- <img src=x onerror=\"document.title='owned'\"> \u2028 '`"
)
BROWSERS = ("chromium-headless-shell", "chromium")
"""The first that is there; the shell is the same browser without its window, for a third of the processor time."""
PATIENCE = 30_000.0
"""Milliseconds that anything in the browser may take."""
FLAGS = (
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update"),
)
LATE_ANSWERS = """
    const ask = window.fetch;
    window.fetch = async (...request) => {
      const answer = await ask(...request);
      await new Promise((resolve) => setTimeout(resolve, Math.random() * LAG));
      return answer;
    };
"""
"""What shows a test that reads the page before it is drawn: such a test fails now and then on a busy machine."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The tests of a module share its server, and so a worker; ``make test`` looks at the page by one module."""
    for item in items:
        if isinstance(item, pytest.Function) and "browser" in item.fixturenames:
            item.add_marker(pytest.mark.slow)
            item.add_marker(pytest.mark.xdist_group(item.path.stem))
            if item.path.stem != "test_browser":
                item.add_marker(pytest.mark.exhaustive)


class Night:
    """A state that tests fill job by job."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "night.db"
        self.videos = folder / "videos"
        self.videos.mkdir()
        self.content = sample_video("sea", label="any", seconds=1, portrait=False)
        self._held: Store | None = None
        with self._open() as store:
            self.run = store.runs.begin_run(command="run", service="https://s.example", now=1.0)
            store.runs.end_run(self.run, status=0, now=99.0)

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Open the database once for all that is done meanwhile, instead of for each."""
        with Store(self.path) as self._held:
            yield
        self._held = None

    def _open(self) -> AbstractContextManager[Store]:
        return Store(self.path) if self._held is None else nullcontext(self._held)

    def add(self, *specs: JobSpec) -> None:
        """Pending jobs."""
        with self._open() as store:
            store.imports.add_jobs(specs, run=self.run, now=1.0)

    def named(self, name: str) -> Job:
        """A job as it is now."""
        with Store(self.path, writing=False) as store:
            (job,) = store.queries.find_jobs(name)
            return job

    def states(self) -> dict[str, str]:
        """The state of each job by its name."""
        with Store(self.path, writing=False) as store:
            return {job.name: job.state.value for job in store.jobs()}

    def fail(self, error: str) -> None:
        """The next pending job fails."""
        self._move(Move(to=S.FAILED, detail=error, released=True, set={"error": error, "finished_at": 9.0}))

    def cancel_pending(self) -> None:
        """Every pending job is withdrawn."""
        with Store(self.path) as store, store.connection.sharing():
            for job in list(store.jobs(S.PENDING)):
                store.manual.cancel_job(job, now=3.0)

    def doubt(self) -> None:
        """The next pending job is held in doubt."""
        lost = {"error": "lost", "doubted_at": 5.0, "held": True}
        self._move(Move(to=S.IN_DOUBT, detail="lost", set=lost))

    def succeed(self, *, file: str | None = None, at: float = 60.0) -> Job:
        """The next pending job gets a real video, which is finished two seconds after ``at``."""
        with self._open() as store:
            job = store.transitions.claim_job(run=self.run, now=2.0)
            assert job is not None
            path = self.videos / (file or f"{job.stem}.mp4")
            path.write_bytes(self.content)
            sidecar_path(path).write_text('{"name": "x"}')
            size, sha256 = measure_file(path)
            generation = {"generation_id": f"g-{job.seq}"}
            job = store.transitions.apply_move(job, Move(to=S.GENERATING, set=generation), run=self.run, now=3.0)
            done = {"video_url": "https://cdn.example/secret", "completed_at": at, "cost_usd": 1.56}
            job = store.transitions.apply_move(job, Move(to=S.DOWNLOADING, set=done), run=self.run, now=at)
            kept = {"folder": str(self.videos), "file": path.name, "bytes": size, "sha256": sha256}
            return store.transitions.apply_move(
                job, Move(to=S.SUCCEEDED, set={**kept, "finished_at": at + 2.0}), run=self.run, now=at + 2.0
            )

    def _move(self, move: Move) -> None:
        with self._open() as store:
            job = store.transitions.claim_job(run=self.run, now=2.0)
            assert job is not None
            store.transitions.apply_move(job, move, run=self.run, now=5.0)


@pytest.fixture
def night(tmp_path: Path) -> Night:
    """Six jobs: one with a video, one with a hostile prompt and a video, two failed, one held, one pending."""
    made = Night(tmp_path)
    with made.hold():
        hostile = {"model": "google/veo3", "prompt": HOSTILE, "seed": 7}
        made.add(
            make_spec("fox", meta={"split": "train"}),
            make_spec(HOSTILE, stem="hostile", request=hostile, model="google/veo3"),
            make_spec("refused 1"),
            make_spec("refused 2", model="google/veo2"),
            make_spec("doubtful"),
            make_spec("waiting"),
        )
        made.succeed()
        made.succeed()
        made.fail("the picture at https://example.org/1.png is too small: 12 pixels")
        made.fail("the picture at https://example.org/2.png is too small: 7 pixels")
        made.doubt()
    return made


@pytest.fixture
def url(night: Night) -> Iterator[str]:
    """Where the page of ``night`` is served, which a test may replace by one of its own."""
    with running(make_app(night.path, keys=Secrets())) as url:
        yield url


class Client:
    """Asks an application in the process, as the page's own scripts do."""

    def __init__(self, inner: ASGIApp, keys: Secrets, base: str = "http://127.0.0.1:8700") -> None:
        self._inner = inner
        self._base = base
        self.trusted = {CSRF_HEADER: keys.csrf, "origin": base, "sec-fetch-site": "same-origin"}

    def __call__(self, method: str, path: str, **settings: object) -> httpx.Response:
        async def ask() -> httpx.Response:
            transport = httpx.ASGITransport(app=self._inner)
            async with httpx.AsyncClient(transport=transport, base_url=self._base) as client:
                return await client.request(method, path, **settings)  # type: ignore[arg-type]

        return anyio.run(ask, backend="asyncio")

    def get(self, path: str, **settings: object) -> httpx.Response:
        """A GET."""
        return self("GET", path, **settings)

    def post(self, path: str, body: object) -> httpx.Response:
        """A POST from the page."""
        return self("POST", path, json=body, headers=self.trusted)


@pytest.fixture
def client(night: Night) -> Client:
    """A client of the night's page."""
    keys = Secrets()
    return Client(make_app(night.path, keys=keys), keys)


@pytest.fixture(scope="session")
def shared_browser() -> Iterator[tuple[Browser, asyncio.AbstractEventLoop]]:
    """Chromium, one for all tests of a worker; without it the test is skipped, in CI it fails."""
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        if os.environ.get("CI") == "true":
            pytest.fail("there is no chromium: apt-get install chromium-headless-shell")
        pytest.skip("there is no chromium to look at the page with: apt-get install chromium-headless-shell")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=FLAGS)
        loop = asyncio.get_running_loop()
        asyncio._set_running_loop(None)
        yield chromium, loop
        asyncio._set_running_loop(loop)
        chromium.close()


@pytest.fixture
def browser(shared_browser: tuple[Browser, asyncio.AbstractEventLoop]) -> Iterator[Browser]:
    """The browser, whose event loop runs in this thread during the test only: others run loops of their own."""
    chromium, loop = shared_browser
    asyncio._set_running_loop(loop)
    yield chromium
    asyncio._set_running_loop(None)


@pytest.fixture
def new_page(browser: Browser, request: pytest.FixtureRequest) -> Iterator[Callable[..., Page]]:
    """Opens pages; at the end none of them may have said anything to the console."""
    if "url" in request.fixturenames:
        # What is set up first ends last: an open page asks its server every second, and says so when it is gone.
        request.getfixturevalue("url")
    said: list[str] = []
    contexts = []

    def open_page(url: str, *, width: int = 1000, height: int = 800, **settings: object) -> Page:
        context = browser.new_context(viewport={"width": width, "height": height}, **settings)  # type: ignore[arg-type]
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(PATIENCE)
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        if lag := request.config.option.page_lag:
            page.add_init_script(LATE_ANSWERS.replace("LAG", str(lag)))
        page.goto(url)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert said == []


@pytest.fixture
def browser_page(browser: Browser, request: pytest.FixtureRequest) -> Iterator[Page]:
    """A page that may complain: of a server that is away, say."""
    if "url" in request.fixturenames:
        request.getfixturevalue("url")
    context = browser.new_context(viewport={"width": 1000, "height": 800})
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    yield page
    context.close()


def offer_modules(page: Page) -> Page:
    """Let the page import modules of its script one by one, for what they calculate."""

    def answer(route: Route) -> None:
        name = route.request.url.rpartition("/modules/")[2]
        route.fulfill(body=read_asset(name), content_type="text/javascript")

    page.route("**/modules/*.js", answer)
    return page


def look_again(page: Page, *, wait: bool = True) -> None:
    """Let the page ask for the progress now, as it does when its tab is seen again, and have it answered."""
    look = "document.dispatchEvent(new Event('visibilitychange'))"
    if not wait:
        page.evaluate(look)
        return
    with page.expect_response("**/api/progress*"):
        page.evaluate(look)


def shows_cards(page: Page, *titles: str) -> None:
    """Wait until these stand there, in this order; they are drawn a frame after their number is told."""
    from playwright.sync_api import expect

    expect(page.locator(".card-title")).to_have_text(titles, timeout=PATIENCE)
