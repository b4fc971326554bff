"""Values of a manifest that name another job: ``{frame: last, of: shot-1}``, ``{of: shot-1}``, ``{id_of: shot-1}``.

A text is a short form of each, for cells of tables: ``last of shot-1``, ``video of shot-1``, ``id of shot-1``. Which
job such an ``of`` names is known once that job is made, perhaps further down: see ``ChainRegister``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from batchveo.core.links import FIRST, GENERATION, LAST, LINK_PREFIX, VIDEO, Link, is_part
from batchveo.core.models import InputFile
from batchveo.manifest.problems import Fault, shown
from batchveo.manifest.templates import to_text
from batchveo.provider.catalog.continuations import takes_generation_id
from batchveo.provider.catalog.parameters import Media, Param, ParamType

FRAME, OF, ID_OF = "frame", "of", "id_of"
FORMS = "{frame: last, of: ID} for a frame, {of: ID} for a video"
INPUTS = "--inputs s3://bucket/prefix, from where the service fetches it"
MOST_PARENTS = 2
UNNAMED = "\0"
"""The beginning of a name that no manifest can write: that of a link of a chain without an id."""
_TEXT = re.compile(r"(first|last|video|id|[0-9.]+)(?: frame)? of (\S.*)")


@dataclass(frozen=True, slots=True)
class LinkTo:
    """A link as it is written: to the job that ``of`` names. ``takes_data``: as a data URI, not only as an address.

    ``field`` is where it is written, as in problems.
    """

    part: str
    of: str
    takes_data: bool = False
    field: str = ""


class NoWay(Fault):
    """No way leads from what the link takes to the service; the job that it names may be wrong as well."""

    def __init__(self, message: str, suggestion: str, link: LinkTo) -> None:
        super().__init__(message, suggestion)
        self.link = link


@dataclass(frozen=True, slots=True)
class References:
    """What the references in a request stand for: its local files, and its links to other jobs."""

    files: list[InputFile]
    links: list[LinkTo]

    def copy(self) -> References:
        """The same, to which more can be added."""
        return References(self.files.copy(), self.links.copy())

    def attach(self, value: object, field: str) -> object:
        """The value of a field as a request holds it; the files and links in it are added to these."""
        if isinstance(value, InputFile):
            self.files.append(value)
            return value.reference
        if isinstance(value, LinkTo):
            self.links.append(replace(value, field=field))
            return open_reference(value.part, len(self.links) - 1)
        if isinstance(value, list):
            return [self.attach(item, f"{field}[{number}]") for number, item in enumerate(value)]
        if isinstance(value, dict):
            return {key: self.attach(item, f"{field}.{key}") for key, item in value.items()}
        return value

    def keep_names(self, fault: Fault, field: str) -> None:
        """Add the links for which there is no way, so that it is checked whether there are jobs of those names."""
        for each in (fault, *fault.also):
            if isinstance(each, NoWay):
                self.links.append(replace(each.link, field=field))


def open_reference(part: str, number: int) -> str:
    """What stands for a link in a request until the id of its parent is known: its number among the request's."""
    return f"{LINK_PREFIX}{part}:{number}"


def is_link(value: object) -> bool:
    """Whether a value is written as a link is."""
    return isinstance(value, Mapping) and (OF in value or ID_OF in value)


def parse_text(name: str, param: Param, value: str) -> Mapping[str, object] | None:
    """The link that a text is for the parameter ``name``, in its other form; ``None`` if it is none."""
    if " of " not in value:  # most values are addresses, and there are millions of them
        return None
    match = _TEXT.fullmatch(value.strip())
    if match is None or not (takes_generation_id(name, param) if match[1] == GENERATION else _takes_picture(param)):
        return None
    return write_link(Link(match[1], match[2]))


def write_link(link: Link) -> dict[str, object]:
    """A link as a manifest has it."""
    if link.part == GENERATION:
        return {ID_OF: link.parent}
    return {OF: link.parent} if link.part == VIDEO else {FRAME: link.part, OF: link.parent}


def read_link(name: str, param: Param, value: Mapping[str, object]) -> LinkTo:
    """The link that a value is, of the parameter ``name`` or a part of it. Raises ``Fault``."""
    unknown = [str(key) for key in value if key not in {FRAME, OF, ID_OF}]
    if unknown:
        raise Fault(f"{shown(unknown[0])} says nothing of another job", FORMS)
    if ID_OF in value:
        return _read_id_of(name, param, value)
    of = _read_of(value[OF], OF)
    if not _takes_picture(param):
        raise Fault("takes no part of a video", "the generation id of a job is {id_of: ID}")
    if FRAME not in value:
        if param.media is Media.IMAGE:
            raise Fault("takes an image, not a video", f"{{frame: last, of: {of}}}")
        return LinkTo(VIDEO, of, param.takes_data)
    if param.media is Media.VIDEO:
        raise Fault("takes a video, not one frame", f"{{of: {of}}}")
    return LinkTo(_read_frame(value[FRAME]), of, param.takes_data)


def _read_id_of(name: str, param: Param, value: Mapping[str, object]) -> LinkTo:
    if len(value) > 1:
        raise Fault("names a generation id and more", "{id_of: ID} alone")
    if not takes_generation_id(name, param):
        raise Fault("takes no generation id", FORMS if param.media else None)
    return LinkTo(GENERATION, _read_of(value[ID_OF], ID_OF), takes_data=True)


def _read_of(value: object, key: str) -> str:
    named = str(value).strip() if isinstance(value, str | int) and not isinstance(value, bool) else ""
    if not named or named.startswith(UNNAMED):
        raise Fault(f"{key} must be the id of a job, not {shown(value)}", f"{{{key}: shot-1}}")
    return to_text(value)


def _read_frame(value: object) -> str:
    """The part that a frame is: ``first``, ``last`` or seconds."""
    text = str(value).strip() if isinstance(value, str | int | float) and not isinstance(value, bool) else ""
    if text in {FIRST, LAST} or (is_part(text) and text not in {VIDEO, GENERATION}):
        return text if text in {FIRST, LAST} else f"{float(text):.6f}".rstrip("0").rstrip(".")
    raise Fault(f"{shown(value)} is no frame of a video", "first, last, or a number of seconds such as 2.5")


def read_free_link(value: Mapping[str, object]) -> LinkTo:
    """The link that a value is, of a parameter that nothing is known of. Raises ``Fault``."""
    if ID_OF in value:
        return LinkTo(GENERATION, _read_of(value[ID_OF], ID_OF), takes_data=True)
    return LinkTo(_read_frame(value[FRAME]) if FRAME in value else VIDEO, _read_of(value[OF], OF), takes_data=True)


def _takes_picture(param: Param) -> bool:
    """Whether a parameter takes a frame or a video."""
    return param.type is ParamType.STRING and param.media in {Media.IMAGE, Media.VIDEO, Media.FILE}
