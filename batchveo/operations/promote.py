"""Makes a manifest of chosen clips for another model, with their prompts, seeds and what else it takes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import yaml

from batchveo.core.errors import DiskTrouble, UsageError, find_reason
from batchveo.core.gates import parse_policy
from batchveo.core.job_row import canonical_json
from batchveo.core.links import find_links
from batchveo.core.measures import CheckLevel
from batchveo.core.models import INPUT_PREFIX, Job
from batchveo.dataset import ExportSettings
from batchveo.dataset.choice import ClipChooser
from batchveo.dataset.tables import format_json_line
from batchveo.engine.input_files import find_references
from batchveo.engine.stages.clip_inspector import ClipInspector
from batchveo.manifest.problems import Fault, Problems
from batchveo.operations.fitted_requests import (
    ChangedDefault,
    NewRules,
    check_dropped,
    check_known,
    compare_defaults,
    fit_requests,
    map_texts,
)
from batchveo.operations.input_copies import copy_inputs
from batchveo.operations.input_ways import recall_ways
from batchveo.provider.catalog import MODELS, Catalog
from batchveo.storage.file_system import replace_file
from batchveo.store import Store

PROMOTED_FROM = "promoted_from"
"""The key of ``meta`` with the id of the job whose clip was chosen."""
STDOUT = Path("-")
_YAML, _LINES = (".yaml", ".yml"), (".jsonl", ".ndjson")
_WIDTH = 1 << 30
_ID_SHOWN = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Promotion:
    """The entries of a manifest for the model ``new``, in the order of their clips.

    ``left_out``: how many videos were not chosen, by reason; ``same``: how many chosen clips have the request of an
    earlier one among them, ``already``: how many are of the model itself. ``defaults``: what requests leave to the
    models, and the models assume differently. ``inputs``: the input files of the entries, by their SHA-256.
    """

    new: str
    entries: Sequence[Mapping[str, object]]
    left_out: Mapping[str, int]
    same: int = 0
    already: int = 0
    defaults: Sequence[ChangedDefault] = ()
    inputs: Sequence[str] = field(default_factory=tuple)


def plan_promotion(
    store: Store, *, new: str, picked: bool, where: str | None, drop: Sequence[str] = (), catalog: Catalog = MODELS
) -> Promotion:
    """Choose clips as an export does, and make their requests to the model ``new``; writes nothing.

    ``drop``: parameters that are left out. Raises ``UsageError``, or ``ManifestError`` with everything that does not
    fit the model.
    """
    check_known(new, catalog)
    chooser = ClipChooser(store, ExportSettings(picked=picked, where=where))
    chosen = list(chooser.iter_jobs(()))
    jobs = [job for job in chosen if job.model != new]
    if not jobs:
        why = f"the chosen clips are of {new} already" if chosen else _explain_none(chooser)
        raise UsageError(f"there is nothing to promote: {why}")
    check_dropped(jobs, drop)
    fitted = fit_requests(
        store, _fill_requests(store, jobs, drop), NewRules(catalog, new, recall_ways(store)), frozenset(drop)
    )
    distinct: dict[str, tuple[Job, dict[str, object]]] = {}
    for job, request, _ in fitted:
        distinct.setdefault(canonical_json(request), (job, request))
    return Promotion(
        new=new,
        entries=list(_make_entries(distinct.values())),
        left_out={reason.value: count for reason, count in chooser.left_out.items() if count},
        same=len(jobs) - len(distinct),
        already=len(chosen) - len(jobs),
        defaults=list(_compare_all_defaults(catalog, new, list(distinct.values()))),
        inputs=sorted({sha256 for _, request in distinct.values() for sha256 in find_references(request)}),
    )


def _fill_requests(store: Store, jobs: Iterable[Job], drop: Sequence[str]) -> list[Job]:
    """The jobs with the frames that they were made from, in place of the links to other jobs. Raises ``UsageError``."""
    filled = []
    for job in jobs:
        kept = {name: value for name, value in job.request.items() if name not in drop}
        for name, value in kept.items():
            if not all(link.is_frame for link in find_links(value)):
                raise UsageError(
                    f"{job.name!r} was made from the whole video of another job, which a manifest cannot have; "
                    f"--drop {name} leaves it out"
                )
        filled.append(_fill_request(store, replace(job, request=kept)))
    return filled


def _fill_request(store: Store, job: Job) -> Job:
    try:
        return store.queries.fill_links(job)
    except ValueError:
        names = " and ".join(name for name, value in job.request.items() if any(find_links(value)))
        raise UsageError(
            f"{job.name!r} was imported after a database was lost, which alone had the frame that it was made from; "
            f"--drop {names} leaves it out"
        ) from None


def _explain_none(chooser: ClipChooser) -> str:
    reasons = [f"{count:,} {reason}" for reason, count in chooser.left_out.items() if count]
    return ", ".join(reasons) or "no video has succeeded yet"


def _make_entries(fitted: Iterable[tuple[Job, Mapping[str, object]]]) -> Iterator[dict[str, object]]:
    """An entry for each job; a name that an earlier one has gets the beginning of the job's id."""
    taken: set[str] = set()
    for job, request in fitted:
        name = job.name if job.name not in taken else f"{job.name}-{job.id[:_ID_SHOWN]}"
        taken.add(name)
        yield _make_entry(job, name, request)


def _make_entry(job: Job, name: str, request: Mapping[str, object]) -> dict[str, object]:
    """The job as an entry of a manifest; references to input files are still in it."""
    unchecked = [name for name in job.unchecked if name in request]
    policy = parse_policy(job.policy)
    checks = {"checks": policy.level.value, "gates": list(policy.gates), "prefer": policy.prefer}
    return {
        "name": _escape_braces(name),
        **{name: map_texts(value, _escape_braces) for name, value in request.items()},
        **({"unchecked": unchecked} if unchecked else {}),
        **{key: value for key, value in checks.items() if value not in ("", [], CheckLevel.NONE)},
        "meta": {**job.meta, PROMOTED_FROM: job.id},
    }


def _escape_braces(text: str) -> str:
    """The text as a manifest writes it, in which braces are placeholders."""
    return text.replace("{", "{{").replace("}", "}}")


def _compare_all_defaults(
    catalog: Catalog, new: str, fitted: Sequence[tuple[Job, Mapping[str, object]]]
) -> Iterator[ChangedDefault]:
    for old in dict.fromkeys(job.model for job, _ in fitted):
        yield from compare_defaults(catalog, old, new, [request for job, request in fitted if job.model == old])


# -- the manifest


def check_manifest_name(path: Path) -> None:
    """Raise ``UsageError`` unless a manifest may be written at ``path``; ``-`` is the standard output."""
    if path == STDOUT:
        return
    if path.suffix.lower() not in (*_YAML, *_LINES):
        endings = ", ".join((*_YAML, *_LINES))
        raise UsageError(f"--output {path}: name a file that ends in {endings}, or - to print it")
    if path.exists():
        raise UsageError(f"--output {path}: the file is there already; name another one")


async def write_manifest(store: Store, promotion: Promotion, path: Path, clips: ClipInspector) -> None:
    """Write the manifest, and its input files into a folder beside it.

    Raises ``DiskTrouble``, or ``ManifestError`` with all frames that cannot be taken again from ``clips``; then nothing
    is there.
    """
    folder, problems = path.with_name(f"{path.stem}-inputs"), Problems()
    users = {
        sha256: (entry["name"], param)
        for entry in promotion.entries
        for param, value in entry.items()
        for sha256 in find_references(value)
    }

    def report(sha256: str, fault: Fault) -> None:
        job, param = users[sha256]
        suggestion = f"{fault.suggestion}, or --drop {param} leaves it out"
        problems.add(str(path), None, param, f"job {job}: {fault.message}", suggestion)

    try:
        with TemporaryDirectory(prefix=".", dir=path.parent) as hidden:
            copies = await copy_inputs(store, clips, promotion.inputs, Path(hidden), report)
            problems.raise_if_any()
            _move_files({*copies.values()}, folder)
        names = {sha256: f"{folder.name}/{copy.name}" for sha256, copy in copies.items()}
        with replace_file(path) as part:
            part.write_text(_format(promotion, names, lines=path.suffix.lower() in _LINES), encoding="utf-8")
    except OSError as error:
        raise DiskTrouble(f"{path} cannot be written: {find_reason(error)}") from None


def _move_files(files: Iterable[Path], folder: Path) -> None:
    for file in files:
        folder.mkdir(exist_ok=True)
        file.replace(folder / file.name)


def format_manifest(promotion: Promotion) -> str:
    """The manifest as YAML. Raises ``UsageError`` if it has input files, which would be beside it."""
    if promotion.inputs:
        raise UsageError(
            "these clips were made from local files or frames: name a manifest by --output, to have them beside it"
        )
    return _format(promotion, {}, lines=False)


def _format(promotion: Promotion, files: Mapping[str, str], *, lines: bool) -> str:
    references = {f"{INPUT_PREFIX}{sha256}": name for sha256, name in files.items()}
    entries = [map_texts(entry, lambda text: references.get(text, text)) for entry in promotion.entries]
    if lines:
        return "".join(f"{format_json_line(entry)}\n" for entry in entries)
    jobs = [{name: value for name, value in entry.items() if name != "model"} for entry in entries]
    content = {"defaults": {"model": promotion.new}, "jobs": jobs}
    text: str = yaml.dump(_quote(content), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=_WIDTH)
    return text


class _Quoted(str):
    """A text that is written in quotes: without them 1e3, on or 16:9 are numbers or flags to some readers of YAML."""

    __slots__ = ()


class _Dumper(yaml.SafeDumper):
    """Writes quoted texts in quotes, and no anchors for values that occur twice."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002
        """Whatever it is."""
        return True


_Dumper.add_representer(_Quoted, lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", text, style='"'))


def _quote(value: object) -> object:
    if isinstance(value, str):
        return _Quoted(value)
    if isinstance(value, list | tuple):
        return [_quote(item) for item in value]
    if isinstance(value, Mapping):
        return {name: _quote(item) for name, item in value.items()}
    return value
