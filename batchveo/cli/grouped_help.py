"""``--help`` in groups: what a command with many options shows under which heading."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import click

COMMON = "Common options"
OPTION_GROUPS: Mapping[str, Sequence[str]] = {
    COMMON: (
        "--state",
        "--output",
        "--sandbox",
        "--yes",
        "--dry-run",
        "--diff",
        "--journal",
        "--json",
        "--verify",
        "--help",
    ),
    "Choice of jobs": (
        "--manifest",
        "--all",
        "--partial",
        "--held",
        "--cause",
        "--state-is",
        "--limit",
        "--only",
        "--where",
        "--where-meta",
        "--model",
        "--picked",
        "--pairs",
        "--include-rejected",
    ),
    "Decision": ("--resubmit", "--generation-id", "--fail"),
    "Other jobs in their place": ("--prompt", "--takes", "--with-children", "--to", "--drop"),
    "Manifests": ("--set", "--map", "--extra", "--filename", "--strict-provenance", "--check-images"),
    "Money": ("--budget", "--assume-price", "--confirm-above", "--wait-for-credits"),
    "Tries and checks": ("--tries", "--checks"),
    "Speed": ("--concurrency", "--rate", "--downloads", "--poll-interval", "--poll-rate", "--patience"),
    "Unconfirmed requests": ("--when-in-doubt", "--settle"),
    "Files": ("--inputs", "--sidecars", "--missing-videos-ok", "--new-state"),
    "Dataset": (
        "--format",
        "--files",
        "--metadata",
        "--captions",
        "--films",
        "--split",
        "--split-by",
        "--shard-size",
        "--shard-clips",
    ),
    "Upload": ("--push-to-hub", "--private", "--revision"),
    "Models": ("--catalogue", "--allow-unknown-model"),
    "Generations": ("--job", "--from-log"),
    "Address": ("--host", "--port"),
    "Accounts": ("--key", "--per-key", "--balance"),
    "Limits": ("--concurrency-limit", "--rate-limit", "--retry-after"),
    "Times and sizes": ("--generation-time", "--sigma", "--log-lag", "--url-ttl", "--video-bytes"),
    "Faults": ("--fault", "--retire", "--seed"),
    "Service and API keys": ("--api-key-file", "--keys", "--base-url"),
    "Cluster": ("--ray", "--workers"),
    "Notifications": ("--notify", "--notify-file", "--exec", "--webhook"),
    "Output": ("--plain", "--quiet", "--verbose", "--log-json", "--log-file"),
}
"""The options of grouped commands by heading, both in the order of ``--help``."""

TERM_WIDTH = 30
"""Characters: the description of a longer term begins in a line of its own."""

Row = tuple[str, str]


class GroupedCommand(click.Command):
    """A command that shows its options in groups; one that is in no group is among the common ones."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write a section for each group."""
        options = [each for each in self.get_params(ctx) if isinstance(each, click.Option)]
        rows = {max(each.opts, key=len): row for each in options if (row := each.get_help_record(ctx))}
        sections = {group: [rows.pop(name) for name in names if name in rows] for group, names in OPTION_GROUPS.items()}
        sections[COMMON] += rows.values()
        write_sections(formatter, sections)


def write_sections(formatter: click.HelpFormatter, sections: Mapping[str, Sequence[Row]]) -> None:
    """Write the sections that have rows; all second columns begin below each other."""
    widest = max((len(term) for rows in sections.values() for term, _ in rows), default=0)
    for heading, rows in sections.items():
        if rows:
            with formatter.section(heading):
                # click measures each list by itself: so the terms of all lists get the width of the widest
                padded = [(term.ljust(min(widest, TERM_WIDTH)), text) for term, text in rows]
                formatter.write_dl(padded, col_max=TERM_WIDTH)
