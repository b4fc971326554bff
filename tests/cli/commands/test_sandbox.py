"""``batchveo sandbox``: its options become the settings of the service."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from batchveo.cli.commands import sandbox as module
from batchveo.core.errors import UsageError
from batchveo.sandbox import Retirement, RetirementStatus, Service, Settings


def start(monkeypatch: pytest.MonkeyPatch, *options: str) -> Settings:
    """The settings of the service that would be served; raises what the command raises."""
    served: list[Service] = []
    monkeypatch.setattr(module, "serve", lambda service, **_: served.append(service))
    CliRunner().invoke(module.command, options, catch_exceptions=False, standalone_mode=False)
    return served[0].settings


def test_models_that_come_and_go(monkeypatch: pytest.MonkeyPatch) -> None:
    options = ("--retire", "veo2=deprecated@2027-01-31", "--retire", "luma/ray-2=superseded")
    settings = start(monkeypatch, *options, "--fault", "404-withdrawn=google/veo3", "--fault", "throttle=0.1")
    assert settings.retired == {
        "google/veo3": Retirement(status=RetirementStatus.WITHDRAWN),
        "veo2": Retirement(status=RetirementStatus.DEPRECATED, shutdown_at="2027-01-31"),
        "luma/ray-2": Retirement(status=RetirementStatus.SUPERSEDED),
    }
    assert settings.faults == {"throttle": 0.1}


def test_the_fault_still_takes_a_chance(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = start(monkeypatch, "--fault", "404-withdrawn=0.5")
    assert (settings.faults, settings.retired) == ({"404-withdrawn": 0.5}, {})


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--retire", "veo9=withdrawn"), "no such model: veo9"),
        (("--fault", "404-withdrawn=veo9"), "no such model: veo9"),
        (("--retire", "veo2=gone"), "deprecated, superseded, withdrawn"),
        (("--retire", "veo2"), "MODEL=STATUS"),
        (("--retire", "veo2=deprecated@soon"), "2027-01-31"),
        (("--fault", "throttle=veo2"), "a chance from 0 to 1"),
        (("--fault", "throttle"), "'throttle': write it with a chance from 0 to 1, such as throttle=0.1"),
        (("--fault", "throttle=2"), "a chance from 0 to 1"),
        (("--fault", "throtle=0.1"), r"did you mean throttle\?; the faults are "),
        (("--fault", "foo=0.1"), "there is no such fault; the faults are .*throttle"),
    ],
)
def test_what_cannot_be_read(monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        start(monkeypatch, *options)
