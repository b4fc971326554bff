"""Outputs of the package's loggers."""

from __future__ import annotations

import io
import logging
import re
from pathlib import Path

import pytest

from batchveo.core.errors import UsageError
from batchveo.core.events import Event, Message, RunFinished
from batchveo.display.log_output import log_events, open_log
from tests.helpers.snapshots import HOSTILE

LOGGER = logging.getLogger("batchveo.provider.client")


def test_records_are_lines_without_control_characters(tmp_path: Path) -> None:
    """In both outputs; nothing is written before and after."""
    out, file = io.StringIO(), tmp_path / "run.log"
    LOGGER.debug("before")
    with open_log(out, file):
        LOGGER.debug("claimed %s", HOSTILE)
    LOGGER.debug("after")
    (line,) = out.getvalue().splitlines()
    assert re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} DEBUG batchveo\.provider\.client: claimed \[red\]", line)
    assert line.isprintable()
    assert file.read_text(encoding="utf-8") == f"{line}\n"


def test_events_are_logged_to_the_file_only(tmp_path: Path) -> None:
    """If they have a text; the reporter gets all of them."""
    out, file = io.StringIO(), tmp_path / "run.log"
    taken: list[Event] = []
    events: list[Event] = [Message(text="40 jobs named"), RunFinished(run=1, exit_status=0, seconds=1.0)]
    with open_log(out, file):
        for event in events:
            log_events(taken.append)(event)
    assert taken == events
    assert out.getvalue() == ""
    assert file.read_text(encoding="utf-8").endswith(" INFO batchveo.events: 40 jobs named\n")


def test_a_closed_output_does_not_end_the_run() -> None:
    """The reader of a pipe is gone."""
    out = io.StringIO()
    out.close()
    with open_log(out, None):
        LOGGER.debug("hello")


def test_a_file_that_cannot_be_opened_is_bad_usage(tmp_path: Path) -> None:
    """With its name and the reason."""
    with (
        pytest.raises(UsageError, match=r"run\.log cannot be written: No such file"),
        open_log(None, tmp_path / "x/run.log"),
    ):
        pass
