"""Whether Ray's head answers, without Ray: it would itself try for minutes, and say so line by line."""

from __future__ import annotations

import os
import socket

from batchveo.core.errors import ClusterTrouble

KNOCK_SECONDS = 10.0
_HTTP2_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_SETTINGS_FRAME = 4
_NO_SETTINGS = bytes([0, 0, 0, _SETTINGS_FRAME, 0, 0, 0, 0, 0])


def knock(address: str, patience: float = KNOCK_SECONDS) -> None:
    """Raise ``ClusterTrouble`` where no Ray listens at ``address``, or none does within ``patience`` seconds.

    Ray's head speaks HTTP/2, whose servers answer the first bytes with a frame of settings (RFC 9113, 3.4).
    """
    host, _, port = address.rpartition(":")
    try:
        with socket.create_connection((host.strip("[]"), int(port)), timeout=patience) as line:
            if os.environ.get("RAY_USE_TLS", "0") != "0":
                return
            line.sendall(_HTTP2_PREFACE + _NO_SETTINGS)
            answer = line.makefile("rb").read(len(_NO_SETTINGS))
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ClusterTrouble(f"no Ray answers at {address}: {reason}") from None
    if len(answer) < len(_NO_SETTINGS) or answer[3] != _SETTINGS_FRAME:
        raise ClusterTrouble(
            f"no Ray answers at {address}, but something else: give the port of `ray start --head`, usually 6379"
        )
