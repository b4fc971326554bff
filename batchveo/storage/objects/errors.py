"""What goes wrong with an object store, as ``OSError``: as a disk's troubles are told."""

from __future__ import annotations

import errno
import re
from collections.abc import Iterator
from contextlib import contextmanager

_PASSING = frozenset({408, 409, 425, 429})
_STATUS = re.compile(r"status code: (\d{3})")
_CODE = re.compile(r"<Code>(\w{1,60})</Code>")
FAMILIES = {"s3": "AWS", "gs": "GOOGLE", "az": "AZURE"}
"""What the variables of each kind of store begin with."""
NO_BUCKET = re.compile(r"NoSuchBucket|ContainerNotFound|specified bucket does not exist")
_NO_CREDENTIALS = re.compile(r"169\.254\.169\.254|metadata\.google|credential", re.IGNORECASE)


class Refused(OSError):
    """The store will not do this, now or later: no such bucket, no permission, no room."""


class Faint(OSError):
    """The store could not be reached, or was too busy, for longer than was worth waiting."""


class Unreachable(Faint):
    """Nothing answered at all."""


@contextmanager
def translated(place: str) -> Iterator[None]:
    """Let what obstore raises inside out as one of ours; ``FileNotFoundError`` where there is no such object."""
    from obstore.exceptions import BaseError

    try:
        yield
    except FileNotFoundError as error:
        if NO_BUCKET.search(str(error)):
            raise Refused(errno.ENODEV, "there is no such bucket", place) from None
        raise FileNotFoundError(errno.ENOENT, "there is no such object", place) from None
    except (Refused, Faint):
        raise
    except (BaseError, OSError) as error:  # an upload's errors come as plain ones
        raise _ours(error, place) from None


def _ours(error: Exception, place: str) -> OSError:
    from obstore.exceptions import PreconditionError

    text = str(error)
    said = words(text)
    status = _STATUS.search(text)
    if isinstance(error, PreconditionError):
        return Faint(errno.EBUSY, "it was replaced meanwhile", place)
    if status is not None and status[1] in ("401", "403"):
        return Refused(errno.EACCES, f"the bucket refuses it: {said}", place)
    if _NO_CREDENTIALS.search(text):
        return Refused(errno.EACCES, f"no credentials for the bucket: {said}", place)
    if "builder error" in text:
        said = f"the endpoint is http://, which {FAMILIES[place.partition('://')[0]]}_ALLOW_HTTP=true allows"
        return Refused(errno.EPROTONOSUPPORT, said, place)
    if status is None:
        return Unreachable(errno.EIO, f"the store gives no answer: {said}", place)
    code = int(status[1])
    refused = code == 507 or "quota" in text.lower() or (code < 500 and code not in _PASSING)
    return (Refused if refused else Faint)(errno.EIO, said, place)


def words(text: str) -> str:
    """What a store said, in a line: its status and code; addresses are left out, they may carry signatures."""
    line = text.partition("\n")[0]
    status = re.search(r"status code: (\d{3}[ A-Za-z]*)", line)
    code = _CODE.search(text)
    if status is not None:
        return f"HTTP {status[1].strip()}{f' ({code[1]})' if code else ''}"
    return re.sub(r"\S+://\S+", "...", line.rpartition(" - ")[2])[:200]
