"""Messengers: a real Apprise, a listener on this machine, and URLs that are never seen."""

from __future__ import annotations

import json
import logging
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from batchveo.core.errors import UsageError
from batchveo.display import notification_channels
from batchveo.display.notification_channels import Messengers, read_urls


class Listener:
    """Takes JSON messages on a free port."""

    def __init__(self, status: int = 200) -> None:
        self.got: list[dict[str, str]] = []
        self.hold = threading.Event()
        self.hold.set()
        listener = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                listener.hold.wait(10)
                listener.got.append(json.loads(body))
                self.send_response(status)
                self.end_headers()

            def log_message(self, *args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"json://user:pass-secret@127.0.0.1:{self.server.server_address[1]}/token-secret"


@contextmanager
def listening(status: int = 200) -> Iterator[Listener]:
    listener = Listener(status)
    thread = threading.Thread(target=listener.server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield listener
    finally:
        listener.hold.set()
        listener.server.shutdown()
        listener.server.server_close()
        thread.join()


def test_a_message_goes_to_every_url() -> None:
    """Title and body, as they are."""
    with listening() as one, listening() as two:
        out = Messengers([one.url, two.url])
        out.post("title", "a <b>\nof two lines")
        assert out.flush() == []
        for listener in (one, two):
            assert [(m["title"], m["message"]) for m in listener.got] == [("title", "a <b>\nof two lines")]


def test_posting_waits_for_nobody() -> None:
    """A service that does not answer costs the end a bound, and the run nothing."""
    with listening() as slow:
        slow.hold.clear()
        out = Messengers([slow.url])
        begun = time.monotonic()
        out.post("title", "body")
        assert time.monotonic() - begun < 1.0
        assert out.flush(0.05) == ["JSON"]


def test_failures_are_known_by_their_kind_only(
    capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    """Neither Apprise's log nor anything else tells the URL."""
    logging.getLogger("apprise").setLevel(logging.DEBUG)
    with listening(status=500) as listener:
        out = Messengers([listener.url])
        out.post("title", "body")
        assert out.flush() == ["JSON"]
        assert out.take_failures() == []
    seen = capfd.readouterr()
    assert "secret" not in seen.out + seen.err + caplog.text + repr(out) + repr(vars(out))


def test_a_service_that_raises_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever it raises stays inside; its text may hold the URL."""
    out = Messengers(["json://127.0.0.1:1/token-secret"])

    def broken(**_: object) -> bool:
        raise RuntimeError("https://token-secret")

    monkeypatch.setattr(out._services[0], "notify", broken)
    out.post("title", "body")
    assert out.flush() == ["JSON"]


def test_wrong_urls_are_named_by_place_and_kind() -> None:
    """All at once, nothing secret; what is no known kind is not shown at all."""
    with pytest.raises(UsageError) as caught:
        Messengers(["json://127.0.0.1", "slack://secret", "token-secret", "secret://x"])
    assert "number 2 (slack://…), number 3 (of no known kind), number 4 (of no known kind)" in str(caught.value)
    assert "secret://" not in str(caught.value)
    assert "token" not in str(caught.value)


def test_without_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """The one to install is named; without URLs nothing is missed."""
    monkeypatch.setattr(notification_channels, "find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r"pip install 'batchveo\[notify\]'"):
        Messengers(["json://127.0.0.1"])
    assert not Messengers()


def test_apprise_is_imported_only_for_urls() -> None:
    """A tenth of a second that nobody else pays."""
    import subprocess

    code = "import sys, batchveo.display.notification_channels as m; m.Messengers(); print('apprise' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "False\n"


def test_urls_from_a_file(tmp_path: Path) -> None:
    """One a line, with comments; a file that cannot be read is named."""
    file = tmp_path / "urls"
    file.write_text("# mine\n\n  json://127.0.0.1/a#b  \nntfy://topic\n")
    assert read_urls(file) == ["json://127.0.0.1/a#b", "ntfy://topic"]
    with pytest.raises(UsageError, match=r"cannot read the file of notify URLs .*missing: No such file"):
        read_urls(tmp_path / "missing")
    file.write_bytes(b"\xff")
    with pytest.raises(UsageError, match="not UTF-8"):
        read_urls(file)
