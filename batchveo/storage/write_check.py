"""Whether videos can be put in a place: tried before anything is bought."""

from __future__ import annotations

import errno
import tempfile
import uuid
from pathlib import Path

from batchveo.core.destination import BucketUrl, Destination, Sidecars
from batchveo.core.errors import DiskTrouble
from batchveo.storage.objects import objects
from batchveo.storage.objects.errors import Unreachable

CREDENTIALS = {
    "s3": "AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION",
    "gs": "GOOGLE_APPLICATION_CREDENTIALS",
    "az": "AZURE_STORAGE_ACCOUNT_NAME, AZURE_STORAGE_ACCOUNT_KEY",
}
"""The variables of the environment by which a store knows who asks."""


async def check_place(output: Destination) -> None:
    """Raise ``DiskTrouble`` unless videos can be put there: better now than after the first purchase."""
    if isinstance(output, BucketUrl):
        await check_bucket(output)
    else:
        check_folder(output)


def check_folder(output: Path) -> None:
    """Raise ``DiskTrouble`` unless a file can be made in ``output``: better now than after the first purchase."""
    _check_writable(output, "videos")


def check_sidecars(sidecars: Sidecars) -> None:
    """Raise ``DiskTrouble`` unless a file can be made in the folder of their own, if they have one."""
    if sidecars.folder is not None:
        _check_writable(sidecars.folder, "sidecars")


def _check_writable(folder: Path, what: str) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise DiskTrouble(f"{what} cannot be written to {folder}: {error.strerror}") from None


def _advice(output: BucketUrl, error: OSError) -> str:
    """What a person may look at, where the store's own words are none to go by."""
    if error.errno == errno.EACCES:
        return f" (is what the environment says right, and may it write there? {CREDENTIALS[output.scheme]})"
    if isinstance(error, Unreachable):
        return " (is the network there, and the endpoint right that the environment names?)"
    return ""


async def check_bucket(output: BucketUrl) -> None:
    """Raise ``DiskTrouble`` unless an object can be made, read and taken away, and no second one of its name."""
    there, key = objects(output), f".batchveo-{uuid.uuid4().hex}"
    try:
        await there.create(key, b"batchveo looks whether it can write here\n")
        found = await there.small(key)
        if await there.create(key, b""):
            raise OSError(errno.ENOTSUP, "this store overwrites what is to be created only")  # noqa: TRY301
        await there.delete(key)
    except OSError as error:
        text = f"videos cannot be written to {output}: {error.strerror}{_advice(output, error)}"
        raise DiskTrouble(text) from None
    if found is None:
        raise DiskTrouble(f"videos cannot be written to {output}: what was put there is not found")
