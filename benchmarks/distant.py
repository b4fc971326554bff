"""A service over TLS that is far away: each piece of data takes its time, in both directions.

    python -m benchmarks.distant certificate.pem --delay 0.075

It accepts every submit. The connection itself is made at once, since the kernel answers it: a real one takes one more
round trip.
"""

from __future__ import annotations

import argparse
import asyncio
import ssl
import sys
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from benchmarks.loopback import Connection, Loopback


def write_certificate(file: Path) -> None:
    """Write a certificate for this machine, with its key: what signs it is itself."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    plain = serialization.NoEncryption()
    file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
        + certificate.public_bytes(serialization.Encoding.PEM)
    )


async def _relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, delay: float) -> None:
    """Hand on what comes, each piece ``delay`` seconds later."""
    loop = asyncio.get_running_loop()
    try:
        while data := await reader.read(65536):
            loop.call_later(delay, writer.write, data)
    except OSError:
        pass
    loop.call_later(delay, writer.close)


async def serve(certificate: Path, delay: float) -> None:
    """Serve until the process is ended; says its address on standard error."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    service = Loopback(generation_time=0.0, video_bytes=50_000)
    near = await asyncio.get_running_loop().create_server(lambda: Connection(service), "127.0.0.1", 0, ssl=context)

    async def reach(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        onward_reader, onward_writer = await asyncio.open_connection(*near.sockets[0].getsockname())
        await asyncio.gather(_relay(reader, onward_writer, delay), _relay(onward_reader, writer, delay))

    far = await asyncio.start_server(reach, "127.0.0.1", 0)
    print(f"distant server at https://127.0.0.1:{far.sockets[0].getsockname()[1]}", file=sys.stderr, flush=True)
    await far.serve_forever()


def main() -> None:
    """Read the options and serve."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("certificate", type=Path)
    parser.add_argument("--delay", type=float, default=0.075, metavar="S")
    options = parser.parse_args()
    asyncio.run(serve(options.certificate, options.delay))


if __name__ == "__main__":
    main()
