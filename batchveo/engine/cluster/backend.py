"""What a run needs of an engine that runs processes on many machines; ``on_ray`` is the one there is."""

from __future__ import annotations

from typing import Protocol


class ActorLost(Exception):
    """An actor died, or cannot be reached; what it was asked may have been done, and it may be alive."""


class Actor(Protocol):
    """An object in another process, whose methods are asked for by name."""

    async def ask(self, method: str, *arguments: object) -> object:
        """What the method returns or raises; raises ``ActorLost`` where nothing came back."""

    def kill(self, *, again: bool = False) -> None:
        """End its process at once; with ``again`` the actor starts anew, from nothing, in another one."""


class ActorBackend(Protocol):
    """Starts actors. All of them end with it."""

    @property
    def nodes(self) -> int:
        """How many machines there are."""

    async def coordinator(self) -> Actor:
        """A ``CoordinatorActor`` on this machine, which starts anew when it dies; raises ``StateLocked``."""

    def worker(self) -> Actor:
        """A new ``WorkerActor``, on any machine; it ends when it dies. Raises ``ActorLost`` where none is left."""

    async def gone(self) -> str:
        """Wait until the engine itself is lost, and nothing can be started or ended any more; tells of it."""
