"""Uploads of a dataset, to a look-alike of the hub on this machine."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from batchveo.core.errors import UploadFailed, UsageError
from batchveo.dataset import Format, HubRepository
from batchveo.dataset.hub import Uploaded
from batchveo.dataset.splits import Splitting
from tests.helpers.dataset_hub import TOKEN, DatasetHub, Repository, connected_hub
from tests.helpers.finished_jobs import Morning

NAME = "ann/clips"
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")  # the library's own way with httpx2


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[DatasetHub]:
    with connected_hub(monkeypatch, tmp_path) as hub:
        yield hub


def upload(morning: Morning, *, private: bool = False, branch: str | None = None) -> Uploaded:
    repository = HubRepository(NAME, private=private, branch=branch)
    repository.check_access()
    return repository.upload_folder(morning.dataset, Splitting())


def local_files(morning: Morning) -> dict[str, bytes]:
    paths = (path for path in morning.dataset.rglob("*") if path.is_file())
    named = {path.relative_to(morning.dataset).as_posix(): path.read_bytes() for path in paths}
    return {name: content for name, content in named.items() if not name.startswith(".")}


@pytest.mark.parametrize("form", [Format.VIDEOFOLDER, Format.WEBDATASET, Format.PARQUET])
def test_a_dataset_is_uploaded_as_it_was_exported(hub: DatasetHub, morning: Morning, form: Format) -> None:
    """Links are followed; the index stays here; the same again uploads nothing, a new clip only what changed."""
    clips = [morning.make(name) for name in "ab"]
    morning.export(form)
    if form is Format.VIDEOFOLDER:  # as on another file system
        clip = morning.dataset / "train" / "a.mp4"
        clip.unlink(missing_ok=True)
        clip.symlink_to(morning.videos / "a.mp4")
    first = upload(morning)
    assert first.changed
    assert clips
    assert hub.files(NAME) == local_files(morning)
    assert not hub.repositories[NAME].private
    sent = hub.list_uploads()
    again = upload(morning)
    assert (again.changed, again.commit) == (False, first.commit)
    assert hub.list_uploads() == sent
    morning.make("c")
    morning.export(form)
    assert upload(morning).changed
    assert hub.files(NAME) == local_files(morning)
    assert len(set(hub.list_uploads())) == len(hub.list_uploads()), "a file was sent twice"


def test_small_files_go_by_the_pipeline_of_the_library(
    hub: DatasetHub, morning: Morning, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The way that the library chooses with hf_xet: several commits, each of what is not there yet."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", False)
    hub.uses_lfs = False  # it would send large files to a storage that is not looked alike
    morning.make("a")
    morning.export()
    assert upload(morning).changed
    assert hub.files(NAME) == local_files(morning)
    assert not upload(morning).changed


def test_nothing_of_others_is_touched(hub: DatasetHub, morning: Morning) -> None:
    """Files that others put there stay, as does a card that they edited."""
    hub.repositories[NAME] = Repository(private=False)
    hub.files(NAME).update({"notes.txt": b"mine", "README.md": b"# a card of somebody else"})
    morning.make("a")
    morning.export()
    done = upload(morning)
    assert done.notes
    assert "README.md was edited on the hub" in done.notes[0]
    theirs = {"notes.txt": b"mine", "README.md": b"# a card of somebody else"}
    assert hub.files(NAME) == local_files(morning) | theirs


def test_a_card_that_was_edited_here_is_uploaded(hub: DatasetHub, morning: Morning) -> None:
    """Each time; what it would say now is not, and one that was edited there afterwards is left alone."""
    morning.make("a")
    morning.export()
    upload(morning)
    for text in ("# edited", "# edited again"):
        (morning.dataset / "README.md").write_text(text)
        morning.export()
        assert (morning.dataset / "README.new.md").exists()
        assert upload(morning).notes == ()
        assert hub.files(NAME)["README.md"] == text.encode()
    assert "README.new.md" not in hub.files(NAME)
    hub.files(NAME)["README.md"] = b"# edited there"
    assert upload(morning).notes
    assert hub.files(NAME)["README.md"] == b"# edited there"


def test_an_upload_that_was_interrupted_resumes(hub: DatasetHub, morning: Morning) -> None:
    """What arrived is not sent again; the message says that the folder is complete."""
    morning.make("a")
    morning.export()
    hub.refused["/commit/"] = 403
    with pytest.raises(UploadFailed, match=r"may not write to ann/clips \(403\).*is complete: run the same command"):
        upload(morning)
    sent = hub.list_uploads()
    assert sent
    hub.refused.clear()
    assert upload(morning).changed
    assert hub.list_uploads() == sent
    assert hub.files(NAME) == local_files(morning)


def test_a_branch_is_made(hub: DatasetHub, morning: Morning) -> None:
    """From main, which stays as it is; a second upload uses it."""
    morning.make("a")
    morning.export()
    assert upload(morning, branch="draft").changed
    assert hub.files(NAME, "draft") == local_files(morning)
    assert hub.files(NAME) == {}
    assert not upload(morning, branch="draft").changed
    assert HubRepository(NAME, branch="draft").url == f"{hub.url}/datasets/{NAME}/tree/draft"


def test_a_private_dataset_is_never_made_public(hub: DatasetHub, morning: Morning) -> None:
    """Not even if somebody makes a public repository of that name meanwhile."""
    morning.make("a")
    morning.export()
    repository = HubRepository(NAME, private=True)
    repository.check_access()
    hub.repositories[NAME] = Repository(private=False)
    with pytest.raises(UsageError, match=r"exists and is public.*nothing was uploaded"):
        repository.upload_folder(morning.dataset, Splitting())
    with pytest.raises(UsageError, match="exists and is public"):
        HubRepository(NAME, private=True).check_access()
    assert hub.files(NAME) == {}
    del hub.repositories[NAME]
    upload(morning, private=True)
    assert hub.repositories[NAME].private


def test_a_plan_counts_what_is_not_there(hub: DatasetHub, morning: Morning) -> None:
    """Small files by their content, large ones by their size; nothing is changed."""
    morning.make("a")
    morning.export()
    repository = HubRepository(NAME)
    repository.check_access()
    files = local_files(morning)
    plan = repository.plan_upload(morning.dataset)
    assert (plan.files, plan.bytes) == (len(files), sum(map(len, files.values())))
    assert hub.list_changes() == []
    upload(morning)
    repository.check_access()
    assert repository.plan_upload(morning.dataset).files == 0
    clip = morning.dataset / "train" / "a.mp4"
    content = bytearray(clip.read_bytes())
    content[-1] ^= 1
    clip.unlink()  # it is the video itself
    clip.write_bytes(content)
    (morning.dataset / "more.txt").write_text("more")
    hub.files(NAME)["more.txt"] = b"MORE"
    assert repository.plan_upload(morning.dataset).files == 1
    unmade = HubRepository(NAME, branch="draft")
    unmade.check_access()
    assert unmade.plan_upload(morning.dataset).files == 1, "a new branch begins with the files of main"


def test_no_path_and_no_key_of_this_machine_is_published(
    hub: DatasetHub, morning: Morning, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also if the manifest was named by its whole path; the index, which has more, stays here."""
    monkeypatch.setenv("AIMLAPI_API_KEY", "sk-secret")
    morning.make("a", manifest=str(morning.folder / "clips.yaml"), source=str(morning.folder / "prompts.txt"))
    morning.export(Format.VIDEOFOLDER, Format.WEBDATASET, Format.JSONL)
    row = morning.metadata()[0]
    assert (row["manifest"], row["source"]) == ("clips.yaml", "prompts.txt")
    upload(morning)
    assert ".batchveo-export.jsonl" not in hub.files(NAME)
    for path, content in hub.files(NAME).items():
        for secret in (str(morning.folder), "sk-secret", TOKEN):
            assert secret.encode() not in content, path


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (401, r"does not accept the token \(401\): check HF_TOKEN"),
        (403, r"may not write to ann/clips \(403\): it needs write access to ann"),
        (404, r"has no dataset ann/clips, or hides it from this token \(404\)"),
        (429, r"asks for a pause \(429\)"),
        (418, r"refuses the upload to ann/clips \(418\): refused"),
    ],
)
def test_refusals_are_plain(hub: DatasetHub, morning: Morning, status: int, message: str) -> None:
    """One line, what to do, and what is there."""
    hub.refused["/whoami-v2"] = status
    with pytest.raises(UploadFailed, match=f"{message}.*nothing was exported or uploaded") as caught:
        HubRepository(NAME).check_access()
    assert "\n" not in str(caught.value)
    assert caught.value.exit_status == 3


def test_a_hub_that_is_away(hub: DatasetHub, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also a library that was told to stay offline."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(UploadFailed, match=r"http://127\.0\.0\.1:9 cannot be reached: .*refused"):
        HubRepository(NAME).check_access()
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(UploadFailed, match=r"cannot be reached: .*HF_HUB_OFFLINE"):
        HubRepository(NAME).check_access()


def test_what_is_known_to_fail_is_said_at_once(hub: DatasetHub, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bad name, no token, one that only reads, no library; the hub is not asked for the first three."""
    for name in ("clips", "a/b/c", "ann/cl ips", "ann/clips.git", "ann/", ""):
        with pytest.raises(UsageError, match="--push-to-hub"):
            HubRepository(name)
    monkeypatch.delenv("HF_TOKEN")
    with pytest.raises(UsageError, match="no token for the Hugging Face Hub"):
        HubRepository(NAME)
    assert hub.requests == []
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    hub.role = "read"
    with pytest.raises(UsageError, match="can only read"):
        HubRepository(NAME).check_access()
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(UsageError, match=r"pip install 'batchveo\[hub\]'"):
        HubRepository(NAME)
