"""Whether videos can be written to a destination, tried before anything is bought; and the limits of a folder."""

from __future__ import annotations

import errno
import tempfile
import uuid
from dataclasses import dataclass
from pathlib import Path

from batchveo.core.destination import BucketUrl, Destination, Sidecars
from batchveo.core.errors import DiskTrouble, find_reason
from batchveo.storage.file_system import LONGEST_NAME, longest_name, sync_path
from batchveo.storage.object_errors import StoreUnreachable
from batchveo.storage.objects import open_objects

CREDENTIALS = {
    "s3": "AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION",
    "gs": "GOOGLE_APPLICATION_CREDENTIALS",
    "az": "AZURE_STORAGE_ACCOUNT_NAME, AZURE_STORAGE_ACCOUNT_KEY",
}
"""The environment variables with the credentials of each kind of store."""


TRIAL = ".batchveo"
"""The object of which an address is signed for trial; it need not exist."""


async def check_writable(output: Destination) -> None:
    """Raise ``DiskTrouble`` unless videos can be written there."""
    if isinstance(output, BucketUrl):
        await check_bucket(output)
    else:
        _check_folder(output, "videos")


def check_sidecars(sidecars: Sidecars) -> None:
    """Raise ``DiskTrouble`` unless sidecars can be written to the folder of their own, if they have one."""
    if sidecars.folder is not None:
        _check_folder(sidecars.folder, "sidecars")


def _check_folder(folder: Path, what: str) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise DiskTrouble(f"{what} cannot be written to {folder}: {find_reason(error)}") from None


async def sign_trial_url(inputs: BucketUrl) -> str:
    """An address as inputs get it; raises ``DiskTrouble`` unless inputs can be put there and signed."""
    await check_bucket(inputs, "inputs")
    try:
        return await open_objects(inputs).sign_url(TRIAL, 1.0)
    except OSError as error:
        raise DiskTrouble(
            f"no address of {inputs} can be signed: {find_reason(error)}{_advise(inputs, error)}"
        ) from None


async def check_bucket(output: BucketUrl, what: str = "videos") -> None:
    """Raise ``DiskTrouble`` unless an object can be created, read and deleted there, and not created twice."""
    store, key = open_objects(output), f".batchveo-{uuid.uuid4().hex}"
    try:
        await store.create(key, b"batchveo looks whether it can write here\n")
        found = await store.read_small(key)
        # The claim of a name rests on create-only puts: a store without them would let two runs share a name.
        if await store.create(key, b""):
            raise OSError(errno.ENOTSUP, "this store overwrites what is to be created only")  # noqa: TRY301
        await store.delete(key)
    except OSError as error:
        text = f"{what} cannot be written to {output}: {find_reason(error)}{_advise(output, error)}"
        raise DiskTrouble(text) from None
    if found is None:
        raise DiskTrouble(f"{what} cannot be written to {output}: what was put there is not found")


def _advise(output: BucketUrl, error: OSError) -> str:
    """What a person may check, if the words of the store do not show it."""
    if error.errno == errno.EACCES:
        return f" (is what the environment says right, and may it write there? {CREDENTIALS[output.scheme]})"
    if isinstance(error, StoreUnreachable):
        return " (is the network there, and the endpoint right that the environment names?)"
    return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderLimits:
    """``name_bytes``: the longest name. ``sync_note``: why the folder cannot be synced; or empty."""

    name_bytes: int
    sync_note: str = ""

    @classmethod
    def read(cls, folder: Path) -> FolderLimits:
        """The limits of a folder that exists; nothing is written. Raises ``OSError`` if its disk fails."""
        return cls(name_bytes=longest_name(folder), sync_note=sync_path(folder))

    @property
    def notes(self) -> list[str]:
        """Notes for a person; empty for a usual disk."""
        shorter = self.name_bytes < LONGEST_NAME
        names = [f"names end at {self.name_bytes} bytes, so that long ones are cut"] if shorter else []
        return [*names, *([self.sync_note] if self.sync_note else [])]
