"""The short forms of a chain: ``chain``, a list of prompts that each continue the one before, and ``extend: 3``.

Each link becomes an entry of its own, with the matrix and the repeats of the chain. Its input is the video of the link
before it: all of it for a model that extends videos, else its last frame.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from batchveo.core.links import LAST
from batchveo.manifest.entries import Entry, Table, find_line
from batchveo.manifest.links import FRAME, OF, is_address
from batchveo.manifest.merged_entry import whole_number
from batchveo.manifest.problems import Fault, shown
from batchveo.manifest.templates import has_braces
from batchveo.manifest.vocabulary import CHAIN_KEYS, Vocabulary
from batchveo.provider.catalog import Model
from batchveo.provider.catalog.parameters import Media

CHAIN, EXTEND, THEN = CHAIN_KEYS
LONGEST_CHAIN = 1000
_NO_LINK_KEYS = frozenset((*CHAIN_KEYS, "id", "matrix", "repeat", "prompts_file", "names_file", "rows_file"))
_ONE_PROMPT = ("prompts_file", "names_file")
_LEADING = ("image_url", "first_frame", "start_image_url", "first_frame_image_url")


class ChainForms:
    """Makes the entries of chains. ``report`` gets what is wrong, with the field it is in."""

    def __init__(
        self, vocabulary: Vocabulary, find_default: Callable[[str], object], report: Callable[[Entry, str, Fault], None]
    ) -> None:
        self._vocabulary = vocabulary
        self._find_default = find_default
        self._report = report

    def is_chain(self, entry: Entry) -> bool:
        """Whether an entry is written in one of the short forms."""
        return not entry.fields.keys().isdisjoint(CHAIN_KEYS)

    def list_links(self, entry: Entry, label: str) -> list[Entry]:
        """The links of a chain as entries that name each other; none if something was wrong."""
        try:
            links = _read_links(entry.fields)
            then = _read_fields(entry.fields.get(THEN, {}), THEN)
        except Fault as fault:
            self._report(entry, CHAIN if CHAIN in entry.fields else EXTEND, fault)
            return []
        made = []
        for number, own in enumerate(links):
            try:
                made.append(self._make_link(entry, number, own, then, label))
            except Fault as fault:
                if EXTEND in entry.fields:  # the others have the same to say
                    self._report(entry, EXTEND, fault)
                    break
                self._report(entry, f"{CHAIN}[{number}]", fault)
        return made if len(made) == len(links) else []

    def _make_link(
        self, entry: Entry, number: int, own: Mapping[str, object], then: Mapping[str, object], label: str
    ) -> Entry:
        shared = {key: value for key, value in entry.fields.items() if key not in CHAIN_KEYS}
        name = entry.fields.get("id")
        fields = {**shared, **own} if number == 0 else {**self._without_media(shared), **then, **own}
        if isinstance(shared.get("name"), str) and "name" not in own:
            fields["name"] = f"{shared['name']}-{number + 1}"
        member = None
        if name is not None:
            fields["id"] = _name_link(str(name), number)
        else:
            member = _name_link(f"{label}:{entry.line}", number)
        if number:
            before = _name_link(str(name) if name is not None else f"{label}:{entry.line}", number - 1)
            self._continue(fields, before, must_extend=EXTEND in entry.fields)
        lines = own.lines if isinstance(own, Table) else {}
        line = find_line(entry, f"{CHAIN}[{number}]") if CHAIN in entry.fields else entry.line
        shared_lines = {key: line_of for key, line_of in entry.lines.items() if key in shared}
        return Entry(line, fields, {**shared_lines, **lines}, member)

    def _continue(self, fields: dict[str, object], before: str, *, must_extend: bool) -> None:
        """Add the input that continues the link before. Raises ``Fault`` if the model takes none."""
        model = self._find_model(fields)
        if _extends(model):
            field = "video_url"
            value: dict[str, object] = {OF: before}
        elif must_extend:
            raise Fault(f"{model.id} does not extend videos", f"{THEN}: {{model: google/veo3-1-fast-extend-video}}")
        else:
            field = _find_image_field(model)
            value = {FRAME: LAST, OF: before}
        fields.setdefault(field, value)

    def _find_model(self, fields: Mapping[str, object]) -> Model:
        name = fields.get("model", self._find_default("model"))
        model = self._vocabulary.find_model(name)
        if model is None:
            is_open = isinstance(name, str) and has_braces(name)
            message = f"what continues a video depends on the model, and {shown(name)} "
            raise Fault(
                message + ("is not known here" if is_open else "is no known model"), "write out all links, by id"
            )
        return model

    def _without_media(self, fields: Mapping[str, object]) -> dict[str, object]:
        """The fields without the inputs of the first link, and without its prompt."""
        model = self._vocabulary.find_model(fields.get("model", self._find_default("model")))
        params = model.params if model else {}
        media = {name for name, param in params.items() if any(True for _ in param.find_media())}
        return {key: value for key, value in fields.items() if key not in media}


def _read_links(fields: Mapping[str, object]) -> list[Mapping[str, object]]:
    """What each link has of its own. Raises ``Fault``."""
    if CHAIN in fields and EXTEND in fields:
        raise Fault(f"{CHAIN} and {EXTEND} are both there", "keep one of the two")
    clash = next((key for key in _ONE_PROMPT if key in fields), None)
    if clash is not None:
        raise Fault(f"a chain has no {clash}", "rows_file fills {placeholders} in its prompts")
    if EXTEND in fields:
        return [{}] * (1 + whole_number(fields[EXTEND], LONGEST_CHAIN))
    written = fields.get(CHAIN)
    if not isinstance(written, list) or not written:
        if written is None:
            raise Fault(f"{THEN} is for the links of a chain", f"{CHAIN}: [first prompt, second prompt]")
        raise Fault(f"must be a list of prompts, not {shown(written)}", f"{CHAIN}: [first prompt, second prompt]")
    if len(written) > LONGEST_CHAIN:
        raise Fault(f"has {len(written):,} links, at most {LONGEST_CHAIN:,} are possible")
    if "prompt" in fields:
        raise Fault("each link has a prompt of its own, and the chain has one too", "take prompt out")
    return [
        {"prompt": link} if isinstance(link, str) else _read_fields(link, f"{CHAIN}[{number}]")
        for number, link in enumerate(written)
    ]


def _read_fields(value: object, field: str) -> Mapping[str, object]:
    if not isinstance(value, dict):
        raise Fault(f"must be a mapping, not {shown(value)}", f"{field}: {{model: …}}")
    wrong = next((key for key in value if key in _NO_LINK_KEYS), None)
    if wrong is not None:
        raise Fault(f"{wrong} belongs to the whole chain", f"write it beside {CHAIN}")
    return value


def _name_link(chain: str, number: int) -> str:
    return f"{chain}.{number + 1}"


def _extends(model: Model) -> bool:
    # the catalogue has no other sign: of the models that take a video, most change it
    return "video_url" in model.required and "extend" in model.id


def _find_image_field(model: Model) -> str:
    """The parameter of the first frame. Raises ``Fault`` if the model takes none."""
    images = [name for name, param in model.params.items() if is_address(param) and param.media is Media.IMAGE]
    leading = [name for name in _LEADING if name in images]
    found = next(iter([*leading, *(name for name in images if name in model.required)]), None)
    if found is None:
        raise Fault(f"{model.id} begins with no image", f"{THEN}: {{model: …}} with one that takes image_url")
    return found
