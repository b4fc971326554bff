"""Whom an error of the file system concerns: the disk, and so the run, or one file alone."""

from __future__ import annotations

import errno
from collections.abc import Callable, Mapping
from types import MappingProxyType

from batchveo.core.outcomes import Scope

CONCERNS: Mapping[int, Scope] = MappingProxyType(
    {
        errno.ENOSPC: Scope.DISK,
        errno.EDQUOT: Scope.DISK,
        errno.EROFS: Scope.DISK,
        errno.EIO: Scope.DISK,
        errno.ENODEV: Scope.DISK,
        errno.ENXIO: Scope.DISK,
        errno.ENOTCONN: Scope.DISK,
        errno.EMFILE: Scope.DISK,  # of this process, so no other file would fare better
        errno.ENFILE: Scope.DISK,
        errno.ENAMETOOLONG: Scope.JOB,
        errno.EILSEQ: Scope.JOB,
        errno.EINVAL: Scope.JOB,
        errno.EEXIST: Scope.JOB,
        errno.EISDIR: Scope.JOB,
        errno.ELOOP: Scope.JOB,
        errno.EFBIG: Scope.JOB,
        errno.ETXTBSY: Scope.JOB,
    }
)
"""Errors whose number decides; of the others, permissions say, another file in the same folder shows it."""

NAME_ERRORS = frozenset({errno.ENAMETOOLONG, errno.EILSEQ, errno.EINVAL, errno.EISDIR, errno.ELOOP})
"""What a file system says of a name that cannot be used; under another name the video can be had."""

NO_SYNC = frozenset({errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS})
"""What a file system says that cannot sync a file (SMB, FUSE, some network mounts)."""
NO_FOLDER_SYNC = NO_SYNC | {errno.EBADF, errno.EACCES, errno.EPERM, errno.EISDIR}
"""What it says of a folder: some do not even let one be opened for that."""


def scope_of(error: OSError, write_another: Callable[[], object]) -> Scope:
    """Whether ``error``, met while a file was written, would meet the next file too.

    ``write_another`` writes a file of another name in the same folders; raises ``OSError`` if that fails as well.
    """
    known = CONCERNS.get(error.errno or 0)
    if known is not None:
        return known
    try:
        write_another()
    except OSError:
        return Scope.DISK
    return Scope.JOB
