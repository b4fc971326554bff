"""What a plan says of the ways of inputs."""

from __future__ import annotations

from pathlib import Path

import pytest

from batchveo.core.destination import BucketUrl
from batchveo.core.errors import ManifestError
from batchveo.core.settings import RunSettings
from batchveo.manifest.media import InputWays
from batchveo.operations import input_ways
from batchveo.operations.input_ways import describe_ways, find_ways
from batchveo.operations.run_setup import ManifestSources

BUCKET = BucketUrl("s3://films/inputs")
SINGLE = "- {model: google/veo-3.1-t2v-fast, prompt: A dragon}\n"
EVERY_WAY = """
- {id: a, model: google/veo-3.1-t2v-fast, prompt: a}
- {id: b, model: google/veo-3-1-lite-generate-preview, prompt: b, image_url: {frame: last, of: a}}
- {id: c, model: google/veo-3-1-lite-generate-preview, prompt: c, image_url: {frame: 1.5, of: a}}
- {id: d, model: google/veo-3.1-i2v-fast, prompt: d, image_url: {frame: first, of: a}}
- {id: e, model: google/veo3-1-fast-extend-video, prompt: e, video_url: {of: a}}
- {id: f, model: bytedance/seedance-2-0, prompt: f, video_url: {of: a}}
- {id: g, model: google/gemini-omni-flash-preview, prompt: g, previous_interaction_id: {id_of: a}}
"""


def stage(folder: Path, text: str, ways: InputWays, inputs: BucketUrl | None = BUCKET) -> list[str]:
    path = folder / "m.yaml"
    path.write_text(text)
    with ManifestSources(paths=[path]).stage(ways) as staged:
        return list(describe_ways(staged.table, inputs))


def test_how_many_inputs_go_which_way(tmp_path: Path) -> None:
    """In one sentence; nothing if no job takes one."""
    assert stage(tmp_path, SINGLE, InputWays()) == []
    (said,) = stage(tmp_path, EVERY_WAY, InputWays(by_url=True))
    assert said == (
        "inputs from the videos of other jobs: 2 frames as data; 1 frame through s3://films/inputs; 1 generation id; "
        "1 video by the service's own address, else as data; "
        "1 video by the service's own address, else through s3://films/inputs"
    )
    without = EVERY_WAY.replace("google/veo-3.1-i2v-fast", "google/veo-3-1-lite-generate-preview")
    (said,) = stage(tmp_path, without, InputWays(), None)
    assert said.endswith("1 video by the service's own address; 1 video by the service's own address, else as data")


@pytest.mark.parametrize(
    ("ways", "problems"),
    [
        (InputWays(), {5: "takes only an address, and a frame of a video has none"}),
        (InputWays(by_url=True, frames=False), dict.fromkeys((3, 4, 5), "needs PyAV to take a frame of a video")),
    ],
)
def test_an_input_without_a_way_is_a_problem(tmp_path: Path, ways: InputWays, problems: dict[int, str]) -> None:
    """With its line, its field, and what opens the way."""
    with pytest.raises(ManifestError) as raised:
        stage(tmp_path, EVERY_WAY, ways)
    found = [problem for problem in raised.value.problems for _ in range(1 + problem.more)]
    assert {problem.field for problem in found} == {"image_url"}
    assert len(found) == len(problems)
    for problem in raised.value.problems:
        assert problem.message == problems[problem.line or 0]
        assert problem.suggestion


def test_the_ways_of_a_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """By the bucket of the run, and by PyAV."""
    assert find_ways(RunSettings(inputs=BUCKET)) == InputWays(by_url=True, frames=True)
    monkeypatch.setattr(input_ways, "can_probe", lambda: False)
    assert find_ways(RunSettings()) == InputWays(by_url=False, frames=False)
