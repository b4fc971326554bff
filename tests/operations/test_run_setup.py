"""What one run keeps from the question to its end."""

from __future__ import annotations

import gc
import weakref
from pathlib import Path

import pytest

import batchveo
from batchveo.core.errors import Declined, KnownElsewhere
from batchveo.manifest.job_register import JobRegister
from batchveo.manifest.problems import Problems
from batchveo.operations.run_setup import Consent, ManifestSources
from batchveo.provider import ApiClient
from batchveo.sandbox import Service
from tests.helpers.chains import LITE
from tests.operations.runs import MANIFEST, settings

CHAINS = f"""
defaults: {{model: {LITE}}}
jobs:
  - chain: [A, B]
  - {{prompt: C, image_url: {{of: x, frame: last}}}}
  - {{prompt: D, id: x}}
"""


def test_prices_are_fetched_and_clients_opened_once(
    using: batchveo.Service, service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The question and the run share them."""
    (tmp_path / "m.yaml").write_text(MANIFEST)
    opened: list[ApiClient] = []
    enter = ApiClient.__aenter__

    async def counted(client: ApiClient) -> ApiClient:
        opened.append(client)
        return await enter(client)

    monkeypatch.setattr(ApiClient, "__aenter__", counted)
    result = batchveo.run(
        [tmp_path / "m.yaml"],
        state=tmp_path / "s.db",
        settings=settings(tmp_path),
        using=using,
        approve=lambda offer: offer.new == 2,
    )
    assert result.exit_status == 0
    assert len(opened) == 1
    assert (service.calls["models"], service.calls["billing"]) == (1, 1)
    with batchveo.Store(tmp_path / "s.db", writing=False) as store:
        assert [job.cost_usd for job in store.jobs()] == [2.275, 2.275]


def test_consent_is_asked_for_or_refused() -> None:
    """A person decides; if nobody can be asked, the error says what can be done."""
    asked: list[str] = []

    def agree(question: str) -> bool:
        asked.append(question)
        return True

    Consent(confirm=agree).require("it is odd", "mend it", KnownElsewhere)
    assert asked == ["it is odd\nmend it"]
    with pytest.raises(Declined, match="nothing was written or bought"):
        Consent(confirm=lambda question: False).require("it is odd", "mend it", KnownElsewhere)
    with pytest.raises(KnownElsewhere, match="it is odd\nmend it\nnothing was written or bought"):
        Consent().require("it is odd", "mend it", KnownElsewhere)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("m.csv", "prompt,model\nA,veo2\nB,veo2\n"),
        ("m.jsonl", '{"prompt": "A", "model": "veo2"}\n'),
        ("m.yaml", "- {prompt: A, model: veo2, repeat: 2}\n- {prompt: '{x}', model: veo2, matrix: {x: [1, 2]}}\n"),
        ("c.yaml", CHAINS),
    ],
)
def test_what_reading_takes_is_free_before_the_jobs_are_added(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, content: str
) -> None:
    """For a million jobs that is 80 MB: not only once garbage is looked for."""
    (tmp_path / name).write_text(content)
    registers: list[weakref.ref[JobRegister]] = []
    make = JobRegister.__init__

    def noted(register: JobRegister, problems: Problems, *, several: bool = False) -> None:
        registers.append(weakref.ref(register))
        make(register, problems, several=several)

    monkeypatch.setattr(JobRegister, "__init__", noted)
    gc.disable()
    try:
        with ManifestSources(paths=[tmp_path / name]).stage():
            assert [register() for register in registers] == [None]
    finally:
        gc.enable()
