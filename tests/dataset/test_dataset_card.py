"""The dataset card."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
import yaml
from markdown_it import MarkdownIt

from batchveo.core.measures import CheckLevel, Measures
from batchveo.core.votes import VoteKind
from batchveo.dataset import Format
from tests.helpers.finished_jobs import HOSTILE, Morning
from tests.helpers.process_server import run_loader


def front_matter(text: str) -> dict[str, Any]:
    found = re.match(r"---\n(.*?)\n---\n", text, re.DOTALL)
    assert found is not None
    content: dict[str, Any] = yaml.safe_load(found[1])
    return content


def test_it_is_written_from_the_data(morning: Morning) -> None:
    """Splits, models, pictures, cost, dates, services, and what may not be the model's own prompt."""
    morning.make("a", meta={"split": "test"}, cost=1.5)
    morning.make("b", model="google/veo-3.1-i2v", request={"image_url": "https://e.org/x.png"}, cost=None)
    morning.export()
    text = (morning.dataset / "README.md").read_text()
    head = front_matter(text)
    assert head["task_categories"] == ["text-to-video", "image-to-video"]
    assert head["size_categories"] == ["n<1K"]
    assert head["configs"] == [
        {
            "config_name": "default",
            "data_files": [
                {"split": "train", "path": ["train/*.mp4", "train/metadata.jsonl"]},
                {"split": "test", "path": ["test/*.mp4", "test/metadata.jsonl"]},
            ],
        }
    ]
    assert "license" not in head
    assert "| google/veo-3.1-i2v | 1 | 0 |" in text
    assert "| 320 × 180 | 8 |" in text
    assert "cost $1.50, and 1 clips are of unknown price" in text
    assert "1970-01-01 (UTC) through https://s.example" in text
    assert "rewrite the prompts of 1 clips" in text
    assert "No licence was chosen" in text


def test_measures_verdicts_and_votes_are_summed_up(morning: Morning) -> None:
    """How each measure and score is distributed, and what gates and people say; no table without any."""
    morning.make("unmeasured")
    morning.export()
    text = (morning.dataset / "README.md").read_text()
    assert "## Measures" not in text
    assert "## Verdicts" not in text
    for number, black in enumerate((0.0, 1.0, 5.0)):
        job = morning.make(f"c{number}")
        measures = Measures(level=CheckLevel.BASIC, frames=1, black_seconds=black, motion=2.5, bitrate=90_000)
        with morning.store() as store:
            store.facts.record_measures(job, measures, now=20.0)
            store.facts.record_scores(job, {"clip.score": 3 * number, "caption.text": "a sea"}, now=20.0)
        morning.judge(job)
    morning.vote(VoteKind.PICK, job)
    morning.vote(VoteKind.RATE, job, rating=4)
    morning.export()
    text = (morning.dataset / "README.md").read_text()
    table = text.partition("## Measures\n\n")[2].partition("##")[0]
    assert table.splitlines()[2:] == [
        "| `bitrate` | bit/s | 90,000 | 90,000 | 90,000 | 90,000 | 1 |",
        "| `black_seconds` | s | 0 | 1 | 2 | 5 | 1 |",
        "| `motion` | %/s | 2.5 | 2.5 | 2.5 | 2.5 | 1 |",
        "| `mismatches` |  | 0 | 0 | 0 | 0 | 1 |",
        "| `score_clip_score` |  | 0 | 3 | 3 | 6 | 1 |",
        "",
    ]
    table = text.partition("## Verdicts and votes\n\n")[2].partition("##")[0]
    assert table.splitlines()[2:] == [
        "| accepted by their gates | 3 |",
        "| picked by people | 1 |",
        "| rated by people | 1 |",
        "",
    ]


def test_hostile_captions_are_text(morning: Morning) -> None:
    """No tag, no link, no second front matter, no broken table."""
    for number, prompt in enumerate([HOSTILE[1], HOSTILE[3], "| --- | ![x](https://e.org/x.png)"]):
        morning.make(f"c{number}", prompt=prompt, model="x/<b>|`y`")
    morning.export(Format.WEBDATASET)
    text = (morning.dataset / "README.md").read_text()
    assert "license" not in front_matter(text)
    html = MarkdownIt("commonmark").enable("table").render(text.split("---\n", 2)[2])
    assert "<script" not in html
    assert "<b>" not in html
    assert "<a " not in html
    assert "<img" not in html
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html
    example = html.partition("For example")[2].partition("</table>")[0]
    assert example.count("<tr>") == 4
    assert example.count("<td>") == 6


def test_shards_alone_have_their_own_data_files(morning: Morning) -> None:
    """The card leads the loader to them."""
    morning.make("a")
    morning.export(Format.WEBDATASET)
    (config,) = front_matter((morning.dataset / "README.md").read_text())["configs"]
    assert config["data_files"] == [{"split": "train", "path": ["train-*.tar"]}]
    assert not (morning.dataset / "train").exists()


def test_two_splits_of_one_usual_name_keep_theirs(morning: Morning) -> None:
    """Loaders refuse a name that comes twice."""
    for split in ("val", "validation", "eval"):
        morning.make(split, meta={"split": split})
    morning.export()
    (config,) = front_matter((morning.dataset / "README.md").read_text())["configs"]
    assert sorted(part["split"] for part in config["data_files"]) == ["test", "val", "validation"]


def test_columns_have_types_in_it(morning: Morning) -> None:
    """Those that all values of the dataset fit into, also where one split has none."""
    morning.make("a", request={"seed": 3}, meta={"split": "train"})
    morning.make("b", meta={"split": "val"})
    morning.export(Format.CSV)
    info = front_matter((morning.dataset / "README.md").read_text())["dataset_info"]
    types = {feature["name"]: feature["dtype"] for feature in info["features"]}
    assert types["video"] == "video"
    assert (types["text"], types["seed"], types["cost_usd"], types["has_sound"]) == (
        "string",
        "int64",
        "float64",
        "bool",
    )


@pytest.mark.exhaustive
def test_a_plain_folder_has_videos_alone(morning: Morning) -> None:
    """No column is made from the names of its folders."""
    for split in ("train", "val"):
        morning.make(split, meta={"split": split})
    morning.export(Format.FOLDER)
    code = "from datasets import load_dataset\nprint(load_dataset('./dataset', cache_dir='c')['validation'].features)"
    assert run_loader(code, morning.folder).startswith("{'video': Video(")


def test_the_tasks_of_any_model(morning: Morning) -> None:
    """Images and videos inside of objects count; a rewriting parameter has another name with each maker."""
    frame = {"frame0": {"type": "image", "url": "https://e.org/x.png"}}
    morning.make("a", model="luma/ray-2", request={"keyframes": frame})
    morning.make("b", model="runway/act_two", request={"character": {"type": "video", "url": "https://e.org/x.mp4"}})
    morning.make("c", model="krea/krea-wan-14b/text-to-video", request={"enable_prompt_expansion": True})
    morning.export()
    text = (morning.dataset / "README.md").read_text()
    assert front_matter(text)["task_categories"] == ["text-to-video", "image-to-video", "video-to-video"]
    assert "rewrite the prompts of 1 clips" in text
    rows = {row["name"]: row for row in morning.metadata()}
    assert json.loads(rows["a"]["request"])["keyframes"] == frame
