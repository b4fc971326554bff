"""What every test stands on: virtual time, no real network, no home, no key."""

from __future__ import annotations

import asyncio
import gc
import os
import random
import re
import signal
import socket
import sys
import tempfile
import zlib
from functools import cache, partial
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING
from unittest import mock

import pytest
import trio
from hypothesis import is_hypothesis_test, settings
from trio.testing import MockClock

from batchveo import sandbox
from batchveo.cli import GARBAGE
from batchveo.provider.api_key import VARIABLES
from batchveo.store import Store, database

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

# how long one example takes says more of the machine's other work than of the code
settings.register_profile("sample", deadline=None, max_examples=30)
settings.register_profile("exhaustive", deadline=None, max_examples=300)

# the tests start a hundred processes, and each would compile the package anew
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# under nohup every process that the tests start would ignore a closed terminal, and those that test it would hang
if hasattr(signal, "SIGHUP"):
    signal.signal(signal.SIGHUP, signal.SIG_DFL)

LOOPBACK = ("127.", "::1", "localhost")
NUMBERS = count()
MEMORY = Path("/dev/shm")
ROOM = 2 << 30
"""Bytes; the folders of all tests have a twentieth of it."""
MAKE_PRIVATE = database._make_private


@pytest.hookimpl(optionalhook=True, wrapper=True)
def pytest_xdist_auto_num_workers() -> Generator[None, int, int]:
    """Half as many workers again as there are cores: a good part of their time they wait for processes."""
    cores = yield
    return cores + (cores + 1) // 2


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Choose how many examples a property has, and keep the tests' folders in memory if there is room.

    Most of what they write is synced, and a disk takes its time.

    In a container there are often 64 MB of it, and no program may be run there: then the disk has to do.
    """
    settings.load_profile("exhaustive" if config.option.exhaustive else "sample")
    if "PYTEST_DEBUG_TEMPROOT" not in os.environ and MEMORY.is_dir() and os.access(MEMORY, os.W_OK):
        room = os.statvfs(MEMORY)
        if room.f_bavail * room.f_frsize >= ROOM and not room.f_flag & os.ST_NOEXEC:
            os.environ["PYTEST_DEBUG_TEMPROOT"] = str(MEMORY)


def pytest_itemcollected(item: pytest.Item) -> None:
    """``make exhaustive`` looks at each property again, with more examples."""
    if item.config.option.exhaustive and is_hypothesis_test(getattr(item, "obj", None)):
        item.add_marker(pytest.mark.exhaustive)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--exhaustive", action="store_true", help="run the tests that are marked so, too")
    parser.addoption(
        "--page-lag",
        type=int,
        default=0,
        metavar="MS",
        help="answers reach the web page up to so much later, at random",
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what only ``make exhaustive`` runs; the tests of a file that is named run all.

    If several workers share the tests, the slow ones begin first, each for itself: else all would wait for the one
    begun last. The others of a file go to one worker, which makes once what they share.
    """
    if not config.option.exhaustive:
        named = {(config.invocation_params.dir / name.partition("::")[0]).resolve() for name in config.args}
        left = {item for item in items if item.get_closest_marker("exhaustive") and item.path not in named}
        config.hook.pytest_deselected(items=list(left))
        items[:] = [item for item in items if item not in left]
    if hasattr(config, "workerinput"):
        for item in items:
            if not item.get_closest_marker("slow") and not item.get_closest_marker("xdist_group"):
                item.add_marker(pytest.mark.xdist_group(item.nodeid.partition("::")[0]))
        items.sort(key=lambda item: item.get_closest_marker("slow") is None)


def pytest_collection_finish() -> None:
    """What has been collected lives to the end: garbage is not looked for in it again, and not often in the rest."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(GARBAGE)


@pytest.fixture
def tmp_path(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As pytest's own, which lists the folders of all tests before each to find a number that is free."""
    name = re.sub(r"\W", "_", request.node.name)[:30]
    return tmp_path_factory.mktemp(f"{name}{next(NUMBERS)}", numbered=False)


@pytest.fixture(autouse=True)
def _without_the_loop_of_the_browser(request: pytest.FixtureRequest) -> Iterator[None]:
    """The browser of a worker keeps a loop of its own that waits meanwhile; asyncio would let no other one begin."""
    if "browser" in request.fixturenames:
        yield
        return
    waiting = asyncio._get_running_loop()
    asyncio._set_running_loop(None)
    yield
    asyncio._set_running_loop(waiting)


@pytest.fixture(autouse=True)
def _ready_schema(monkeypatch: pytest.MonkeyPatch) -> None:
    """A new database is a copy of one that the program made: its schema takes eight milliseconds, and a thousand tests.

    The tests of how it is made are without this: ``tests/store/test_database.py``.
    """
    monkeypatch.setattr(database, "_make_private", _make_from_template)


def _make_from_template(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        database_file, secret = _read_template()
        with os.fdopen(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600), "wb") as file:
            # each database has a secret of its own
            file.write(database_file.replace(secret, os.urandom(len(secret))))


@cache
def _read_template() -> tuple[bytes, bytes]:
    """A new database, and its secret."""
    with tempfile.TemporaryDirectory() as folder, mock.patch.object(database, "_make_private", MAKE_PRIVATE):
        path = Path(folder, "template.db")
        with Store(path) as store:
            secret = store.keys.read_secret()
        return path.read_bytes(), secret


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, object]]:
    """Async tests run on trio with a clock that jumps to the next deadline."""
    return "trio", {"clock": MockClock(autojump_threshold=0)}


@pytest.fixture
def _quick_sandbox(monkeypatch: pytest.MonkeyPatch) -> None:
    """``--sandbox`` generates in no time: three seconds are for people, who want to see something of a run."""
    quick = partial(sandbox.Settings, generation_median=0.1, log_lag=0.1)
    monkeypatch.setattr(sandbox, "Settings", quick)


@pytest.fixture(autouse=True)
def _by_seed(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test meets the same chances and the same order of tasks every time: what it finds, it finds again."""
    name = f"{request.node.parent.nodeid}::{request.node.name}"  # xdist adds the group to the test's own id
    seed = zlib.crc32(name.encode())
    random.seed(seed)
    monkeypatch.setattr(trio._core._run, "_r", random.Random(seed))
    monkeypatch.setattr(trio._core._run, "_ALLOW_DETERMINISTIC_SCHEDULING", True)


@pytest.fixture(autouse=True)
def _no_key_no_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No test sees the developer's key, options or home folder."""
    for variable in [*VARIABLES, *(name for name in os.environ if name.startswith("BATCHVEO_"))]:
        monkeypatch.delenv(variable, raising=False)
    for variable in ("XDG_CONFIG_HOME", "XDG_DATA_HOME", "APPDATA", "LOCALAPPDATA"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))


@pytest.fixture(autouse=True)
def _no_real_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only this machine may be connected to, and only names of it resolved."""
    connect = socket.socket.connect
    resolve = socket.getaddrinfo

    def guarded_connect(self: socket.socket, address: object) -> None:
        if isinstance(address, tuple) and not str(address[0]).startswith(LOOPBACK):
            raise AssertionError(f"a test connects to {address}")
        connect(self, address)  # type: ignore[arg-type]

    def guarded_resolve(host: object, *args: object, **kwargs: object) -> object:
        name = host.decode() if isinstance(host, bytes) else str(host)
        if not name.startswith(LOOPBACK):
            raise AssertionError(f"a test resolves {name}")
        return resolve(host, *args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(socket.socket, "connect", guarded_connect)
    monkeypatch.setattr(socket, "getaddrinfo", guarded_resolve)
