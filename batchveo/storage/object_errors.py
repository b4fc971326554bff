"""Errors of an object store as ``OSError``, so that a bucket fails as a disk does.

::

    OSError
     ├── FileNotFoundError     no such object
     ├── StoreRefused          trying again changes nothing
     └── StoreUnavailable      trying again may help
          └── StoreUnreachable
"""

from __future__ import annotations

import errno
import re
from collections.abc import Iterator
from contextlib import contextmanager

_PASSING = frozenset({408, 409, 425, 429})
_STATUS = re.compile(r"status code: (\d{3})")
_CODE = re.compile(r"<Code>(\w{1,60})</Code>")
FAMILIES = {"s3": "AWS", "gs": "GOOGLE", "az": "AZURE"}
"""Prefix of the environment variables of each kind of store."""
NO_BUCKET = re.compile(r"NoSuchBucket|ContainerNotFound|specified bucket does not exist")
_NO_CREDENTIALS = re.compile(r"169\.254\.169\.254|metadata\.google|credential", re.IGNORECASE)


class StoreRefused(OSError):
    """The store will not do this, now or later: no such bucket, no permission, no room."""


class StoreUnavailable(OSError):
    """The store was unreachable or too busy until the retries ended."""


class StoreUnreachable(StoreUnavailable):
    """Nothing answered at all."""


@contextmanager
def translate_errors(place: str) -> Iterator[None]:
    """Raise the errors of obstore as the ones above; ``FileNotFoundError`` if there is no such object."""
    from obstore.exceptions import BaseError

    try:
        yield
    except FileNotFoundError as error:
        if NO_BUCKET.search(str(error)):
            raise StoreRefused(errno.ENODEV, "there is no such bucket", place) from None
        raise FileNotFoundError(errno.ENOENT, "there is no such object", place) from None
    except (StoreRefused, StoreUnavailable):
        raise
    except (BaseError, OSError) as error:  # an upload raises plain OSError
        raise _to_os_error(error, place) from None


def _to_os_error(error: Exception, place: str) -> OSError:
    from obstore.exceptions import PreconditionError

    text = str(error)
    said = summarize_answer(text)
    status = _STATUS.search(text)
    if isinstance(error, PreconditionError):
        return StoreUnavailable(errno.EBUSY, "it was replaced meanwhile", place)
    if status is not None and status[1] in ("401", "403"):
        return StoreRefused(errno.EACCES, f"the bucket refuses it: {said}", place)
    if _NO_CREDENTIALS.search(text):
        return StoreRefused(errno.EACCES, f"no credentials for the bucket: {said}", place)
    if "builder error" in text:  # all that obstore reports of an http:// endpoint without leave
        said = f"the endpoint is http://, which {FAMILIES[place.partition('://')[0]]}_ALLOW_HTTP=true allows"
        return StoreRefused(errno.EPROTONOSUPPORT, said, place)
    if status is None:
        return StoreUnreachable(errno.EIO, f"the store gives no answer: {said}", place)
    code = int(status[1])
    refused = code == 507 or "quota" in text.lower() or (code < 500 and code not in _PASSING)
    return (StoreRefused if refused else StoreUnavailable)(errno.EIO, said, place)


def summarize_answer(text: str) -> str:
    """Status and code of a store's answer in one line, without addresses: they may carry signatures."""
    line = text.partition("\n")[0]
    status = re.search(r"status code: (\d{3}[ A-Za-z]*)", line)
    code = _CODE.search(text)
    if status is not None:
        return f"HTTP {status[1].strip()}{f' ({code[1]})' if code else ''}"
    return re.sub(r"\S+://\S+", "...", line.rpartition(" - ")[2])[:200]
