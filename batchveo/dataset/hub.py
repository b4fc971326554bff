"""Uploads an exported folder to the Hugging Face Hub, as a dataset repository."""

from __future__ import annotations

import fnmatch
import hashlib
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from batchveo.core.errors import UploadFailed, UsageError
from batchveo.core.version import __version__
from batchveo.dataset.croissant import CROISSANT
from batchveo.dataset.dataset_card import CARD
from batchveo.dataset.dataset_files import name_new_description
from batchveo.dataset.index import ExportIndex
from batchveo.dataset.splits import Splitting

if TYPE_CHECKING:
    from huggingface_hub import HfApi
    from huggingface_hub.hf_api import RepoFile

MAIN = "main"

_TYPE = "dataset"
_KEPT_HERE = (".*", "*/.*", *map(name_new_description, (CARD, CROISSANT)))
"""Patterns of files that are not uploaded: the index of the export, which is of use here only, parts of files, and
descriptions for the person who edited the ones in use."""
_NO_TOKEN = "no token for the Hugging Face Hub: log in with hf auth login, or set HF_TOKEN"  # noqa: S105 - a message


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadPlan:
    """The files of a folder that a repository does not have: their number, and their size in bytes."""

    files: int
    bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Uploaded:
    """The result of an upload: the last commit of the branch, and whether it is new. ``notes`` are for a person."""

    commit: str
    changed: bool
    notes: tuple[str, ...] = ()


class HubRepository:
    """A dataset repository by its name, OWNER/NAME; it may not exist yet.

    ``private`` is for a new one. The token and the address of the hub are found as huggingface_hub finds them.
    Raises ``UsageError`` if huggingface_hub or a token is missing, or the name is malformed.
    """

    def __init__(self, name: str, *, private: bool = False, branch: str | None = None) -> None:
        self.name = name
        self.branch = branch or MAIN
        self.exists = False
        self.is_private = private
        self._wants_private = private
        self._api = _open_api(name)

    @property
    def url(self) -> str:
        """The address of the branch for people."""
        tree = "" if self.branch == MAIN else f"/tree/{self.branch}"
        return f"{self._api.endpoint}/datasets/{self.name}{tree}"

    def check_access(self) -> None:
        """Ask the hub whether it accepts the token, and whether the repository exists.

        Raises ``UsageError`` for a token that can only read and for a public repository that should be private;
        ``UploadFailed`` if the hub does not answer or refuses.
        """
        with self._explain_errors("nothing was exported or uploaded"):
            token = self._api.whoami().get("auth", {}).get("accessToken", {})
        if token.get("role") == "read":
            raise UsageError("the token for the Hugging Face Hub can only read: make one that can write")
        self._read_visibility("nothing was exported or uploaded")

    def plan_upload(self, folder: Path) -> UploadPlan:
        """What an upload of ``folder`` as it is now would add or replace. Raises ``UploadFailed``.

        Large files are compared by their size, others by their content.
        """
        with self._explain_errors("nothing was uploaded"):
            theirs = {file.path: file for file in self._iter_files()} if self.exists else {}
        sizes = [
            path.stat().st_size
            for name, path in _list_files(folder)
            if name not in theirs or not _looks_equal(path, theirs[name])
        ]
        return UploadPlan(files=len(sizes), bytes=sum(sizes))

    def upload_folder(self, folder: Path, splitting: Splitting) -> Uploaded:
        """Upload what the repository does not have; create the repository and the branch if they are missing.

        Nothing is deleted there, and a card that somebody edited there is left alone. After a death or an error, the
        same call resumes. ``splitting`` is that of the export. Raises ``UploadFailed`` and ``UsageError``.
        """
        hint = f"the dataset in {folder} is complete: run the same command to resume"
        with ExportIndex(folder, splitting) as index:  # no export changes the folder meanwhile
            with self._explain_errors(hint):
                if not self.exists:
                    # None, not False: some organizations make every new repository private
                    self._api.create_repo(
                        self.name, repo_type=_TYPE, private=self._wants_private or None, exist_ok=True
                    )
            self._read_visibility("nothing was uploaded")  # somebody else may have created it since
            with self._explain_errors(hint):
                before = self._find_head() or self._create_branch()
                edited = self._is_card_edited(folder, index)
                commit = self._api.upload_folder(
                    repo_id=self.name,
                    repo_type=_TYPE,
                    folder_path=folder,
                    revision=self.branch,
                    commit_message="Upload dataset",
                    ignore_patterns=[*_KEPT_HERE, *([CARD] if edited else [])],
                )
        note = f"{CARD} was edited on the hub and is left alone; delete it there to upload that of the export"
        return Uploaded(commit=commit.oid, changed=commit.oid != before, notes=(note,) if edited else ())

    def _read_visibility(self, hint: str) -> None:
        from huggingface_hub.errors import RepositoryNotFoundError

        with self._explain_errors(hint):
            try:
                self.is_private = bool(self._api.repo_info(self.name, repo_type=_TYPE).private)
                self.exists = True
            except RepositoryNotFoundError:
                self.exists = False
        if self.exists and self._wants_private and not self.is_private:
            raise UsageError(f"{self.name} exists and is public: --private is for a new repository; {hint}")

    def _find_head(self) -> str | None:
        """The last commit of the branch; ``None`` if the repository has no such branch."""
        from huggingface_hub.errors import RevisionNotFoundError

        try:
            return self._api.repo_info(self.name, repo_type=_TYPE, revision=self.branch).sha
        except RevisionNotFoundError:
            return None

    def _create_branch(self) -> str | None:
        self._api.create_branch(self.name, branch=self.branch, repo_type=_TYPE, exist_ok=True)
        return self._find_head()

    def _iter_files(self) -> Iterator[RepoFile]:
        """The files of the branch; of the one that it would begin from if it does not exist."""
        from huggingface_hub.hf_api import RepoFile

        branch = MAIN if self._find_head() is None else self.branch
        tree = self._api.list_repo_tree(self.name, repo_type=_TYPE, revision=branch, recursive=True)
        return (entry for entry in tree if isinstance(entry, RepoFile))

    def _is_card_edited(self, folder: Path, index: ExportIndex) -> bool:
        """Whether somebody edited the card on the hub; if not, note in the index which one is uploaded now."""
        ours = _hash(folder / CARD)
        theirs = self._hash_their_card()
        if theirs not in {None, ours} | index.cards | index.uploaded_cards:
            return True
        if ours is not None and ours not in index.cards:  # edited here: the next upload must know it as its own
            index.add_uploaded_card(ours)
        return False

    def _hash_their_card(self) -> str | None:
        from huggingface_hub.errors import EntryNotFoundError
        from huggingface_hub.utils.tqdm import silent_tqdm

        with tempfile.TemporaryDirectory(prefix="batchveo-") as scratch:
            try:
                card = self._api.hf_hub_download(
                    self.name,
                    CARD,
                    repo_type=_TYPE,
                    revision=self.branch,
                    local_dir=scratch,
                    tqdm_class=silent_tqdm,
                )
            except EntryNotFoundError:
                return None
            return _hash(Path(card))

    @contextmanager
    def _explain_errors(self, hint: str) -> Iterator[None]:
        """Raise ``UploadFailed`` for whatever goes wrong within; ``hint`` is what the user has, and can do."""
        try:
            yield
        except Exception as error:  # the library, its HTTP client and hf_xet raise errors of many families
            raise UploadFailed(f"{self._describe_error(error)}; {hint}") from error

    def _describe_error(self, error: Exception) -> str:
        status, message = _find_answer(error)
        hub, owner = self._api.endpoint, self.name.partition("/")[0]
        match status:
            case None:
                verb = "cannot be reached" if _is_unreachable(error) else "does not get the upload"
                return f"{hub} {verb}: {_shorten(error)}"
            case 401:
                return f"{hub} does not accept the token (401): check HF_TOKEN, or log in with hf auth login"
            case 403:
                return f"the token may not write to {self.name} (403): it needs write access to {owner}"
            case 404:
                return f"{hub} has no dataset {self.name}, or hides it from this token (404)"
            case 429:
                return f"{hub} asks for a pause (429): too many requests"
        return f"{hub} refuses the upload to {self.name} ({status}): {message}"


def _open_api(name: str) -> HfApi:
    try:
        from huggingface_hub import HfApi, get_token
        from huggingface_hub.errors import HFValidationError
        from huggingface_hub.utils import validate_repo_id  # type: ignore[attr-defined]  # exported, not marked so
    except ImportError:
        raise UsageError("an upload needs huggingface_hub: pip install 'batchveo[hub]'") from None
    try:
        validate_repo_id(name)
    except HFValidationError as error:
        raise UsageError(f"--push-to-hub {name!r}: {_shorten(error)}") from None
    if name.count("/") != 1:
        raise UsageError(f"--push-to-hub {name!r}: write it as OWNER/NAME, such as my-name/my-clips")
    if get_token() is None:
        raise UsageError(_NO_TOKEN)
    return HfApi(library_name="batchveo", library_version=__version__)


def _list_files(folder: Path) -> list[tuple[str, Path]]:
    """The files of ``folder`` that are uploaded, by their names in the repository."""
    paths = {path.relative_to(folder).as_posix(): path for path in folder.glob("**/*") if path.is_file()}
    kept_here = {name for pattern in _KEPT_HERE for name in fnmatch.filter(paths, pattern)}
    return [(name, path) for name, path in paths.items() if name not in kept_here]


def _looks_equal(path: Path, theirs: RepoFile) -> bool:
    if path.stat().st_size != theirs.size:
        return False
    if theirs.lfs is not None:
        return True
    content = path.read_bytes()
    return theirs.blob_id == hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


def _hash(path: Path) -> str | None:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.exists() else None


def _find_answer(error: BaseException | None) -> tuple[int | None, str]:
    """Status and message of the answer that caused an error; no status if there was no answer."""
    while error is not None:
        response = getattr(error, "response", None)
        if response is not None:
            return response.status_code, getattr(error, "server_message", None) or _shorten(error)
        error = error.__cause__
    return None, ""


def _is_unreachable(error: BaseException | None) -> bool:
    from httpx2 import TransportError

    while error is not None:
        if isinstance(error, TransportError | ConnectionError):
            return True
        error = error.__cause__
    return False


def _shorten(error: BaseException) -> str:
    """The first line of the innermost reason."""
    while error.__cause__ is not None:
        error = error.__cause__
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
