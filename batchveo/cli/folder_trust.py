"""What a folder may not decide: its files may have come with a clone, or lie where others write."""

from __future__ import annotations

RESERVED = {
    "base-url": "it decides which service your key is sent to",
    "confirm-above": "it decides what is bought without asking you",
    "when-in-doubt": "it decides whether a video may be bought twice",
    "new-state": "it decides whether a video may be bought twice",
    "missing-videos-ok": "it decides whether a run may continue without its finished videos",
    "yes": "it decides what is bought without asking you",
    "keys": "it decides which of your environment variables are sent to the service",
    "notify": "it decides who receives messages about your runs",
    "notify-file": "it decides who receives messages about your runs",
    "config": "it decides which file is trusted",
}
"""Options that neither a folder's config file nor its ``.env`` may set, each with why."""


def refusal(name: str) -> str | None:
    """What is to be said of the option ``name`` in a file of the folder; ``None`` where it may stand there."""
    why = RESERVED.get(name)
    return why and (
        f"a folder may not set this, since {why}: use your own config file, the environment or the command line"
    )
