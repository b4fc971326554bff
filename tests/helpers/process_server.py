"""Processes that start within milliseconds on Linux: forks of a server that has imported what they need.

A new interpreter imports for half a second before it does anything. A fork is a process like any other: it has a
folder, an environment, outputs and signals of its own, and it ends as an interpreter does.
"""

from __future__ import annotations

import atexit
import json
import os
import runpy
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from importlib import import_module
from pathlib import Path
from threading import Timer
from typing import IO

ROOT = Path(__file__).parents[2]
MOST_BYTES = 1 << 20
"""Of a request, which has the environment."""
IMPORTED = (
    "batchveo.cli",
    "batchveo.cli.run_command",
    "batchveo.cli.commands.sandbox",
    "batchveo.operations.run",
    "batchveo.provider.asyncio_transport",
    "batchveo.sandbox.asgi_server",
)
"""By the server: what most commands need."""
LOADERS = (
    "datasets",
    "mlcroissant",
    "networkx",
    "pyarrow.dataset",
    "pyarrow.parquet",
    "scipy.io",
    "trio",
    "xml.dom.minidom",
)
"""What loads datasets, and what it imports when it does."""
OFFLINE = {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1", "HF_HOME": "hf", "CROISSANT_CACHE": "croissant"}
"""Loaders read it as they are imported; what they keep is in the folder of each process."""


class ServedProcess:
    """``python -m MODULE ARGUMENTS`` or ``python -c CODE`` in ``folder``, with the methods of ``subprocess.Popen``.

    Its server has imported ``imported``. It is killed after ``seconds``. What it prints is text. Variables that the
    interpreter itself reads (``PYTHON…``) have no effect.
    """

    def __init__(
        self,
        *arguments: str,
        folder: Path,
        environment: Mapping[str, str],
        seconds: float,
        imported: tuple[str, ...] = IMPORTED,
    ) -> None:
        request = {"arguments": arguments, "folder": str(folder), "environment": dict(environment)}
        out, err = os.pipe(), os.pipe()
        self._keeper, its_end = socket.socketpair()
        given = [out[1], err[1], its_end.fileno()]
        with its_end:
            socket.send_fds(_start_server(imported), [json.dumps(request).encode()], given)
        os.close(out[1])
        os.close(err[1])
        self.stdout: IO[str] = os.fdopen(out[0], encoding="utf-8")
        self.stderr: IO[str] = os.fdopen(err[0], encoding="utf-8")
        self.pid = int(self._keeper.recv(20))
        self.returncode: int | None = None
        self._set_deadline(seconds)

    def _set_deadline(self, seconds: float) -> None:
        self._deadline = Timer(seconds, self.kill)
        self._deadline.daemon = True
        self._deadline.start()

    def poll(self) -> int | None:
        """The exit status, or minus the signal; ``None`` as long as it runs."""
        return self._read_status(socket.MSG_DONTWAIT)

    def wait(self) -> int:
        """Wait for its end."""
        status = self._read_status(0)
        assert status is not None
        return status

    def communicate(self) -> tuple[str, str]:
        """Wait for its end; what it prints from now on, and nothing when asked again."""
        if self.stdout.closed:
            return "", ""
        with ThreadPoolExecutor(1) as other, self.stdout, self.stderr:
            out = other.submit(self.stdout.read)
            printed = self.stderr.read()
            self.wait()
            return out.result(), printed

    def send_signal(self, number: int) -> None:
        """Unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """By a signal that it cannot catch."""
        self.send_signal(signal.SIGKILL)

    def _read_status(self, flags: int) -> int | None:
        if self.returncode is None:
            try:
                self.returncode = os.waitstatus_to_exitcode(int(self._keeper.recv(20, flags)))
            except BlockingIOError:
                return None
            self._keeper.close()
            self._deadline.cancel()
        return self.returncode


class OwnInterpreter(ServedProcess):
    """The same by an interpreter of its own."""

    def __init__(
        self,
        *arguments: str,
        folder: Path,
        environment: Mapping[str, str],
        seconds: float,
        imported: tuple[str, ...] = IMPORTED,
    ) -> None:
        self._process = subprocess.Popen(
            [sys.executable, *arguments],
            cwd=folder,
            env={**environment, "PYTHONPATH": str(ROOT)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
        )
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        self.stdout, self.stderr, self.pid = self._process.stdout, self._process.stderr, self._process.pid
        self._set_deadline(seconds)

    def poll(self) -> int | None:
        """See ``ServedProcess``."""
        return self._process.poll()

    def wait(self) -> int:
        """See ``ServedProcess``."""
        status = self._process.wait()
        self._deadline.cancel()
        return status

    def kill(self) -> None:
        """See ``ServedProcess``."""
        self._process.kill()


def start_process(
    module: str, *arguments: str, folder: Path, environment: Mapping[str, str], seconds: float
) -> ServedProcess:
    """The fastest kind for this system: macOS has no sockets that keep messages apart, and Windows no forks."""
    kind = ServedProcess if sys.platform == "linux" else OwnInterpreter
    return kind("-m", module, *arguments, folder=folder, environment=environment, seconds=seconds)


def run_loader(code: str, folder: Path) -> str:
    """What ``python -c CODE`` prints in ``folder``, as a user would load a dataset, but offline; it must end with 0."""
    environment = {**os.environ, **OFFLINE, "HOME": str(folder)}
    kind = ServedProcess if sys.platform == "linux" else OwnInterpreter
    process = kind("-c", code, folder=folder, environment=environment, seconds=120, imported=LOADERS)
    out, printed = process.communicate()
    assert process.wait() == 0, printed[-3000:]
    return out


@cache
def _start_server(imported: tuple[str, ...]) -> socket.socket:
    """One of its kind for this process; it ends when this process does."""
    ours, its_end = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, MOST_BYTES)
    with its_end:
        command = [sys.executable, "-m", __name__, str(its_end.fileno()), *imported]
        environment = {**os.environ, **OFFLINE, "PYTHONPATH": str(ROOT)}
        server = subprocess.Popen(command, env=environment, pass_fds=[its_end.fileno()], stdin=subprocess.DEVNULL)
    atexit.register(_end_server, ours, server)
    return ours


def _end_server(ours: socket.socket, server: subprocess.Popen[bytes]) -> None:
    ours.close()
    server.wait()


def serve(requests: socket.socket, imported: Sequence[str]) -> None:
    """Fork for each request, until there is nobody to send one."""
    for name in imported:
        import_module(name)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the keepers
    while True:
        request, given, *_ = socket.recv_fds(requests, MOST_BYTES, 3)
        if not request:
            return
        if os.fork() == 0:
            requests.close()
            _keep(request, given)
            return
        for each in given:
            os.close(each)


def _keep(request: bytes, given: list[int]) -> None:
    """Start the process, say its number, and how it ends; returns in the process."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    out, err, asker = given
    pid = os.fork()
    if pid == 0:
        os.close(asker)
        os.dup2(out, 1)
        os.dup2(err, 2)
        os.close(out)
        os.close(err)
        # those of the server may be files, which can seek
        sys.stdout = os.fdopen(1, "w", encoding="utf-8", closefd=False)
        sys.stderr = os.fdopen(2, "w", 1, encoding="utf-8", errors="backslashreplace", closefd=False)
        _become(**json.loads(request))
        return
    os.close(out)
    os.close(err)
    os.write(asker, b"%d" % pid)
    _, status = os.waitpid(pid, 0)
    os.write(asker, b"%d" % status)
    os._exit(0)


def _become(arguments: list[str], folder: str, environment: dict[str, str]) -> None:
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    option, what, *sys.argv[1:] = arguments
    if option == "-m":
        runpy.run_module(what, run_name="__main__", alter_sys=True)
    else:
        sys.argv[0], sys.path[0] = option, ""
        exec(compile(what, "<string>", "exec"), {"__name__": "__main__"})


if __name__ == "__main__":
    serve(socket.socket(fileno=int(sys.argv[1])), sys.argv[2:])
