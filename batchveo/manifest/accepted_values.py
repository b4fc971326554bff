"""From a value as written to the value that is sent, by the description of its parameter."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from batchveo.core.formatting import format_count
from batchveo.core.hints import suggest_closest
from batchveo.core.job_row import ENDS
from batchveo.core.links import GENERATION, VIDEO
from batchveo.manifest import media
from batchveo.manifest.links import FRAME, INPUTS, OF, LinkTo, NoWay, is_link, parse_text, read_link
from batchveo.manifest.media import LocalFiles, find_nearest, list_models
from batchveo.manifest.problems import Fault, join_faults, shown, shown_bare, split_fault
from batchveo.manifest.scalars import check_exact, check_text, whole_of
from batchveo.provider.catalog import Catalog
from batchveo.provider.catalog.parameters import Param, ParamType, describe_param

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
_LIKE_LINK = re.compile(r"[^/\\]* of [^/\\]*")
_NUMBER = re.compile(r"[-+]?[0-9]{1,100}(?:\.[0-9]{1,20})?")


def text(value: object, *, may_be_empty: bool = False) -> str:
    """Text without control characters. Raises ``Fault``."""
    if not isinstance(value, str):
        raise Fault(f"must be text, not {shown(value)}", "put it in quotes")
    if not may_be_empty and not value.strip(ENDS):
        raise Fault("is empty", "write something, or leave it out")
    if not value.isprintable() and (control := _CONTROL.search(value)):
        raise Fault(f"holds the control character {control[0]!r}", "remove it")
    return value


def accept_words(value: object, *, may_be_empty: bool = False) -> str:
    """Text in somebody's own words, as ``text``; a failed formula or the trace of a missing value is none."""
    said = text(value, may_be_empty=may_be_empty)
    check_text(said)
    return said


@dataclass(frozen=True, slots=True)
class FileReader:
    """Reads the local files that the parameter ``name`` of ``model`` names, relative to ``folder``."""

    model: str
    name: str
    folder: Path
    inputs: LocalFiles
    catalog: Catalog


def accept_part(param: Param, value: object, files: FileReader) -> object:
    """The value to be sent for a parameter, or for a part of one; a file becomes an ``InputFile``, a link a ``LinkTo``.

    Raises ``Fault``, with the path to the part that is wrong.
    """
    if value is None and (param.nullable or param.type is ParamType.NULL):
        return None
    if param.alternatives:
        return _accept_alternative(param, value, files)
    if isinstance(value, LinkTo):  # of a chain's short form
        return _check_way(value, files)
    if param.type is ParamType.STRING:
        link = parse_text(files.name, param, value) if isinstance(value, str) else value
        if isinstance(link, Mapping) and is_link(link):
            return _check_way(read_link(files.name, param, link), files)
    if param.media is not None:
        return _accept_address(param, value, files)
    if param.type is ParamType.ARRAY:
        return _accept_list(param, value, files)
    if param.type is ParamType.OBJECT:
        return _accept_object(param, value, files)
    return _accept_scalar(param, value)


def _accept_scalar(param: Param, value: object) -> object:
    match param.type:
        case ParamType.STRING:
            return _accept_choice(param, value) if param.choices else _accept_text(param, value)
        case ParamType.INTEGER:
            return _accept_integer(param, value)
        case ParamType.NUMBER:
            return _accept_number(param, value)
        case ParamType.BOOLEAN:
            return _accept_boolean(value)
        case ParamType.NULL:
            raise Fault(f"must be null, not {shown(value)}")
    check_exact(value)
    return value


def _accept_alternative(param: Param, value: object, files: FileReader) -> object:
    faults = []
    for alternative in param.alternatives:
        try:
            return accept_part(alternative, value, files)
        except Fault as fault:
            faults.append((alternative, fault))
    # the alternative that was meant is one of the value's own form
    meant = [fault for alternative, fault in faults if _has_form(alternative, value)]
    if len(meant) == 1:
        raise meant[0]
    if not meant and isinstance(value, Mapping) and "type" in value and (kinds := _list_kinds(param)):
        raise Fault(f"{shown(value['type'])} is not among {', '.join(kinds)}", path=("type",))
    raise Fault(f"must be {describe_param(param)}, not {shown(value)}")


def _list_kinds(param: Param) -> list[str]:
    """The values of ``type`` by which alternatives are told from each other."""
    kinds = (each.fields["type"].choices for each in param.alternatives if "type" in each.fields)
    return [str(choice) for choices in kinds for choice in choices]


def _has_form(param: Param, value: object) -> bool:
    if param.type is ParamType.OBJECT and isinstance(value, Mapping):
        kind = param.fields.get("type")  # {type: image, url: ...} differs from {type: generation, id: ...} in it
        return kind is None or not kind.choices or value.get("type") in kind.choices
    return isinstance(value, {ParamType.ARRAY: list, ParamType.STRING: str}.get(param.type, ()))


def _accept_object(param: Param, value: object, files: FileReader) -> object:
    if not isinstance(value, Mapping):
        fields = ", ".join(f"{name}: …" for name in param.fields)
        right = f"write {{{fields}}}; in CSV, JSON in the cell" if fields else "in CSV, JSON in the cell"
        raise Fault(f"must be {describe_param(param)}, not {shown(value)}", right)
    if not param.fields:
        check_exact(value)
        return value
    missing = [
        Fault(f"is missing; it is {describe_param(part)}", path=(name,))
        for name, part in param.fields.items()
        if part.required and name not in value
    ]
    names = [str(name) for name in value]
    parts = [(name, param.fields.get(name), each) for name, each in zip(names, value.values(), strict=True)]
    return dict(zip(names, _accept_parts(parts, param, files, missing), strict=True))


def _accept_parts(
    parts: Iterable[tuple[str | int, Param | None, object]], param: Param, files: FileReader, faults: list[Fault]
) -> list[object]:
    """The values of the parts of ``param``, each given with its place. Raises all faults as one, with ``faults``."""
    accepted = []
    for place, part, value in parts:
        try:
            if part is None:
                right = suggest_closest(str(place), param.fields) or f"the fields are {', '.join(param.fields)}"
                raise Fault("is no field here", right)  # noqa: TRY301
            accepted.append(accept_part(part, value, files))
        except Fault as fault:
            for each in split_fault(fault):
                each.path = (place, *each.path)
                faults.append(each)
    if faults:
        raise join_faults(faults)
    return accepted


def _accept_list(param: Param, value: object, files: FileReader) -> object:
    if not isinstance(value, list):
        right = f"write [{shown_bare(str(value))}]" if isinstance(value, str) else None
        if isinstance(value, Mapping) and is_link(value):
            right = "write [{frame: last, of: ID}]"
        raise Fault(f"must be {describe_param(param)}, not {shown(value)}", right)
    if not value and (param.is_address_list or param.required):
        raise Fault("is an empty list", "name at least one URL" if param.is_address_list else None)
    _check_length(param, len(value), "item")
    if param.items is None:
        return value
    return _accept_parts([(index, param.items, item) for index, item in enumerate(value)], param, files, [])


def _check_length(param: Param, length: int, what: str) -> None:
    low, high = param.min_length, param.max_length
    if (low is not None and length < low) or (high is not None and length > high):
        raise Fault(f"must be {describe_param(param)}; it has {format_count(length, what)}")


def _accept_text(param: Param, value: object) -> str:
    said = accept_words(value, may_be_empty=not (param.required or param.min_length))
    _check_length(param, len(said), "character")
    return said


def _accept_choice(param: Param, value: object) -> str | float:
    known = {str(choice).casefold(): choice for choice in param.choices}
    found = known.get(value.strip().casefold()) if isinstance(value, str) else None
    if found is None:
        options = [str(choice) for choice in param.choices]
        raise Fault(f"{shown(value)} is not among {', '.join(options)}", suggest_closest(str(value), options))
    return found


def _accept_integer(param: Param, value: object) -> int:
    number = whole_of(value)
    if number is None:
        raise Fault(f"must be a whole number, not {shown(value)}", _hint_number(value))
    _check_number(param, number)
    return number


def _accept_number(param: Param, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise Fault(f"must be a number, not {shown(value)}", _hint_number(value))
    number = value if isinstance(value, int) or not value.is_integer() else int(value)  # 1.0 is 1, and one job with it
    _check_number(param, number)
    return number


def _check_number(param: Param, number: float) -> None:
    if param.choices and number not in param.choices:
        raise Fault(f"{shown_bare(str(number), 40)} is not among {', '.join(map(str, param.choices))}")
    low, high = param.minimum, param.maximum
    if (low is not None and number < low) or (high is not None and number > high):
        raise Fault(f"must be {describe_param(param)}, not {shown_bare(str(number), 40)}")
    check_exact(number)


def _hint_number(value: object) -> str | None:
    return "remove the quotes" if isinstance(value, str) and _NUMBER.fullmatch(value) else None


def _accept_boolean(value: object) -> bool:
    if not isinstance(value, bool):
        raise Fault(f"must be true or false, not {shown(value)}", "write true or false, without quotes")
    return value


def _accept_address(param: Param, value: object, files: FileReader) -> object:
    if not isinstance(value, str):
        raise Fault(f"must be a URL, not {shown(value)}", _suggest_address(value))
    value = value.strip() or value
    check_text(value)
    kind = media.kind_of(value)
    if kind is media.Address.WEB:
        return value
    if kind is media.Address.PATH and param.media is not None and (param.takes_data or files.inputs.ways.by_url):
        try:
            return files.inputs.read_input(value, files.folder, param.media)
        except Fault as fault:
            if _LIKE_LINK.fullmatch(value):
                _, _, of = value.partition(" of ")
                raise Fault(fault.message, f"a frame of a job's video is written: last of {shown_bare(of)}") from None
            raise
    if param.data_uri is None:
        raise _refuse_files(files, value, kind)
    media.check_data(value, param.data_uri)
    return value


def _suggest_address(value: object) -> str:
    if isinstance(value, Mapping) and FRAME in value:
        return f"the job that the frame is of: {{{FRAME}: …, {OF}: ID}}"
    return "one value, without brackets" if isinstance(value, list) else "an https URL in quotes"


def _check_way(link: LinkTo, files: FileReader) -> LinkTo:
    """The link, if a way leads from what it takes to the service. Raises ``NoWay``."""
    if link.part in {VIDEO, GENERATION}:
        return link
    if not (link.takes_data or files.inputs.ways.by_url):
        others = find_nearest(files.catalog.list_takers(files.name, data=True), files.model)
        instead = f", or a model that takes the image itself, such as {others[0]}" if others else ""
        raise NoWay("takes only an address, and a frame of a video has none", f"{INPUTS}{instead}", link)
    if not files.inputs.ways.frames:
        raise NoWay("needs PyAV to take a frame of a video", "pip install 'batchveo[media]'", link)
    return link


def _refuse_files(files: FileReader, value: str, kind: media.Address) -> Fault:
    what = "a data URI" if kind is media.Address.DATA else "a local file"
    others = files.catalog.list_takers(files.name, data=True)
    instead = f", or a model that takes {what} here: {list_models(others, files.model)}" if others else ""
    bucket = f", or {INPUTS}" if kind is media.Address.PATH else ""
    return Fault(f"{shown(value)} is {what}, only URLs are taken here", f"give an https URL{bucket}{instead}")
