"""``batchveo export``."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path
from typing import Any

import click
from rich.filesize import decimal

from batchveo.cli.grouped_help import GroupedCommand
from batchveo.cli.option_types import PATH, SIZE_IN_MEGABYTES
from batchveo.cli.options import (
    complete_files,
    complete_models,
    join_decorators,
    json_option,
    option,
    state_option,
    where_option,
)
from batchveo.cli.progress import Count
from batchveo.cli.unknown_scores import note_unknown_scores
from batchveo.core.errors import UsageError
from batchveo.core.formatting import format_count, shorten_text
from batchveo.core.models import JobState
from batchveo.dataset import (
    Captions,
    Exported,
    ExportSettings,
    Files,
    Format,
    HubRepository,
    Metadata,
    Splitting,
    Uploaded,
    UploadPlan,
    export,
)
from batchveo.store import Store

_SHOWN = 20


class _FilesChoice(click.Choice[str]):
    """``link`` or ``copy``; earlier versions had ``move`` too."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The choice; raises ``UsageError`` for ``move``."""
        if value == "move":
            raise UsageError("--files move was removed: use --files link, which takes no space, or --files copy")
        return super().convert(value, param, ctx)


_shape_options = join_decorators(
    option(
        "--format",
        "formats",
        type=click.Choice([form.value for form in Format]),
        multiple=True,
        default=[Format.VIDEOFOLDER.value],
        help="Format of the dataset; may be given several times.",
    ),
    option(
        "--split",
        "split",
        default="auto",
        metavar="HOW",
        help="Train, val and test: auto (from meta.split), shares such as 0.9/0.05/0.05, or none.",
    ),
    option(
        "--split-by",
        default="prompt",
        metavar="GROUP",
        help="Keep clips with the same value in one split: prompt, job or meta.KEY.",
    ),
    option(
        "--files",
        type=_FilesChoice([way.value for way in Files]),
        default="link",
        help="How videos are placed in the dataset.",
    ),
    option(
        "--metadata",
        type=click.Choice([kind.value for kind in Metadata]),
        default="jsonl",
        help="Format of the VideoFolder metadata.",
    ),
    option(
        "--shard-size",
        type=SIZE_IN_MEGABYTES,
        default="1GB",
        metavar="SIZE",
        help="Most video per shard; a number without a unit is megabytes.",
    ),
    option(
        "--captions",
        type=click.Choice([kind.value for kind in Captions]),
        help="Also write each caption as a text file beside its video.",
    ),
    option("--films", is_flag=True, envvar=None, help="Also join the clips of each chain to a film, in DIR/films."),
    option("--shard-clips", type=int, default=10_000, metavar="N", help="Most clips per shard."),
)
_choice_options = join_decorators(
    option(
        "--model",
        "models",
        multiple=True,
        metavar="MODEL",
        shell_complete=complete_models,
        help="Export only videos of this model; may be given several times.",
    ),
    option(
        "--manifest",
        "manifests",
        multiple=True,
        metavar="FILE",
        shell_complete=complete_files,
        help="Export only jobs of this manifest; may be given several times.",
    ),
    option(
        "--where-meta",
        "meta",
        multiple=True,
        metavar="KEY=VALUE",
        help="Export only jobs with this meta value; may be given several times.",
    ),
    where_option,
    option("--picked", is_flag=True, envvar=None, help="Export only clips that people picked."),
    option(
        "--pairs",
        is_flag=True,
        envvar=None,
        help="Export the clips of which people preferred one, and a table of these pairs.",
    ),
    option(
        "--include-rejected",
        is_flag=True,
        envvar=None,
        help="Also export clips that people or gates rejected, and all takes.",
    ),
)
_upload_options = join_decorators(
    option(
        "--push-to-hub",
        "repository",
        envvar=None,
        metavar="OWNER/NAME",
        help="Also upload the folder to this dataset repository of the Hugging Face Hub.",
    ),
    option("--private", is_flag=True, envvar=None, help="Make the repository private if it is new."),
    option(
        "--revision",
        "branch",
        envvar=None,
        metavar="BRANCH",
        help="Branch of the repository to upload to; made if it is missing.  [default: main]",
    ),
)


@click.command("export", cls=GroupedCommand)
@click.argument("folder", type=PATH, metavar="DIR")
@state_option
@_shape_options
@_choice_options
@_upload_options
@option("--verify", is_flag=True, help="Also check the hashes of the files that are already in the folder.")
@option("--dry-run", is_flag=True, help="Count the clips; write and upload nothing.")
@json_option
def command(folder: Path, state: Path, *, as_json: bool, **options: Any) -> int:
    """Write a dataset of the finished videos to DIR; run again to add new ones.

    Exit status 1 if a video was left out because it is missing or damaged, 3 if the folder cannot be written or
    uploaded; the same command resumes.
    """
    settings = _read_settings(options)
    repository = _open_repository(options)
    with closing(Store(state, writing=False)) as store:
        note_unknown_scores(store, settings.condition)
        count, total = Count("videos"), store.counts()[JobState.SUCCEEDED]
        result = export(store, folder, settings, seen=lambda jobs: count.show(jobs, total))
        count.end()
    if not as_json:
        _print_result(result)
    upload = _upload(repository, result, settings) if repository else None
    if as_json:
        row = _make_row(result) | {"upload": repository and _make_upload_row(repository, upload)}
        click.echo(json.dumps(row, ensure_ascii=False))
    elif repository:
        _print_upload(repository, upload, result)
    return 1 if result.troubles else 0


def _open_repository(options: dict[str, Any]) -> HubRepository | None:
    """The repository to upload to, if any: known to take the token, before hours of copying."""
    name, private, branch = (options[key] for key in ("repository", "private", "branch"))
    if name is None:
        if private or branch:
            raise UsageError("--private and --revision are for an upload: add --push-to-hub OWNER/NAME")
        return None
    repository = HubRepository(name, private=private, branch=branch)
    repository.check_access()
    return repository


def _upload(repository: HubRepository, result: Exported, settings: ExportSettings) -> UploadPlan | Uploaded:
    if result.dry_run:
        return repository.plan_upload(result.folder)
    return repository.upload_folder(result.folder, settings.splitting)


def _read_settings(options: dict[str, Any]) -> ExportSettings:
    return ExportSettings(
        formats=options["formats"],
        files=Files(options["files"]),
        splitting=Splitting(how=options["split"], by=options["split_by"]),
        metadata=Metadata(options["metadata"]),
        captions=options["captions"] and Captions(options["captions"]),
        shard_bytes=int(options["shard_size"]),
        shard_clips=options["shard_clips"],
        verify=options["verify"],
        dry_run=options["dry_run"],
        models=options["models"],
        manifests=options["manifests"],
        meta=tuple(map(_parse_pair, options["meta"])),
        where=options["where"],
        picked=options["picked"],
        pairs=options["pairs"],
        films=options["films"],
        include_rejected=options["include_rejected"],
    )


def _parse_pair(text: str) -> tuple[str, str]:
    key, mark, value = text.partition("=")
    if not mark or not key:
        raise UsageError(f"--where-meta {text!r}: write it as key=value")
    return key, value


def _make_row(result: Exported) -> dict[str, object]:
    return {
        "folder": str(result.folder),
        "clips": result.clips,
        "added": result.added,
        "bytes": result.bytes,
        "splits": dict(result.splits),
        "placed": dict(result.placed),
        "shards": list(result.shards),
        "left_out": result.left_out,
        "left_out_because": dict(result.left_out_because),
        "kept": dict(result.kept),
        "pairs": result.pairs,
        "films": result.films,
        "troubles": [
            {"id": t.job.id, "name": t.job.name, "file": str(t.path), "problem": t.problem} for t in result.troubles
        ],
        "notes": list(result.notes),
        "dry_run": result.dry_run,
    }


def _print_result(result: Exported) -> None:
    verb = "would be added" if result.dry_run else "added"
    splits = ", ".join(f"{split} {count}" for split, count in result.splits.items())
    clips = format_count(result.clips, "clip") + (f" ({splits})" if splits else "")
    click.echo(f"{result.folder}: {clips}, {result.added:,} {verb}")
    parts = [f"{count} {how}" for how, count in result.placed.items()]
    parts += [f"new shards: {len(result.shards)}"] if result.shards else []
    parts += [format_count(result.pairs, "pair")] if result.pairs is not None else []
    parts += [format_count(result.films, "film")] if result.films is not None else []
    if parts:
        click.echo(", ".join(parts), err=True)
    if reasons := [f"{count:,} {reason}" for reason, count in result.left_out_because.items()]:
        click.echo(f"not exported: {', '.join(reasons)}", err=True)
    for note in result.notes:
        click.echo(f"note: {shorten_text(note, 300)}", err=True)
    for trouble in result.troubles[:_SHOWN]:
        click.echo(f"left out: {shorten_text(trouble.job.name)}: {shorten_text(trouble.problem, 300)}", err=True)
    if len(result.troubles) > _SHOWN:
        click.echo(f"... and {len(result.troubles) - _SHOWN} more; --json prints all of them", err=True)


def _make_upload_row(repository: HubRepository, upload: UploadPlan | Uploaded | None) -> dict[str, object]:
    planned = upload if isinstance(upload, UploadPlan) else None
    uploaded = upload if isinstance(upload, Uploaded) else None
    return {
        "repository": repository.name,
        "branch": repository.branch,
        "url": repository.url,
        "private": repository.is_private,
        "commit": uploaded and uploaded.commit,
        "changed": uploaded and uploaded.changed,
        "files": planned and planned.files,
        "bytes": planned and planned.bytes,
        "notes": list(uploaded.notes) if uploaded else [],
    }


def _print_upload(repository: HubRepository, upload: UploadPlan | Uploaded | None, result: Exported) -> None:
    kind = "private" if repository.is_private else "public"
    if isinstance(upload, UploadPlan):
        state = kind if repository.exists else f"{kind}, would be created"
        parts = (
            [f"{format_count(upload.files, 'file')} ({decimal(upload.bytes)}) of the folder"] if upload.files else []
        )
        parts += [format_count(result.added, "new clip")] if result.added else []
        what = f"would get {' and '.join(parts)}" if parts else "nothing to upload, all is there"
        click.echo(f"{repository.url} ({state}): {what}")
    elif upload:
        done = f"uploaded, commit {upload.commit[:8]}" if upload.changed else "nothing to upload, all is there"
        click.echo(f"{repository.url} ({kind}): {done}")
        for note in upload.notes:
            click.echo(f"note: {note}", err=True)
