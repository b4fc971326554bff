"""The short forms of a chain: ``chain``, a list of prompts that each continue the one before, and ``extend: 3``.

Each link becomes an entry of its own, with the matrix and the repeats of the chain. Its input is the video of the link
before it: all of it for a model that extends videos, else its last frame.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from batchveo.core.links import LAST, VIDEO
from batchveo.manifest.entries import ChainPart, Entry, Table, find_line
from batchveo.manifest.links import FRAME, OF, UNNAMED, LinkTo, is_link
from batchveo.manifest.merged_entry import whole_number
from batchveo.manifest.problems import Fault, fault_without_field, join_faults, shown
from batchveo.manifest.templates import has_braces
from batchveo.manifest.vocabulary import CHAIN_KEYS, Vocabulary
from batchveo.provider.catalog import Model
from batchveo.provider.catalog.continuations import LEADING, VIDEO_URL, Taken, find_continuation

CHAIN, EXTEND, THEN = CHAIN_KEYS
LONGEST_CHAIN = 1000
NO_LINK_KEYS = frozenset((*CHAIN_KEYS, "id", "matrix", "repeat", "prompts_file", "names_file", "rows_file"))
"""The keys that one link of a chain cannot have."""
_ONE_PROMPT = ("prompts_file", "names_file")
_ENDING = ("last_image_url", "tail_image_url")


class ChainForms:
    """Makes the entries of chains. ``report`` gets what is wrong, with the field it is in."""

    def __init__(
        self, vocabulary: Vocabulary, find_default: Callable[[str], object], report: Callable[[Entry, str, Fault], None]
    ) -> None:
        self._vocabulary = vocabulary
        self._find_default = find_default
        self._report = report
        self._count = 0

    def is_chain(self, entry: Entry) -> bool:
        """Whether an entry is written in one of the short forms."""
        return not entry.fields.keys().isdisjoint(CHAIN_KEYS)

    def list_links(self, entry: Entry, label: str) -> Iterator[Entry]:
        """The links of a chain as entries that name each other, without those that something is wrong with."""
        field = next(key for key in CHAIN_KEYS if key in entry.fields)
        try:
            links = _read_links(entry.fields)
            field = THEN
            then = _read_fields(entry.fields.get(THEN, {}), f"{THEN}: {{model: …}}")
            if len(links) > 1:
                self._check_ending(entry.fields)
        except Fault as fault:
            self._report(entry, fault.field or field, fault_without_field(fault))
            return
        own_id = entry.fields.get("id")
        if own_id is not None and type(own_id) not in (str, int):
            self._report(entry, "id", Fault(f"must be text, not {shown(own_id)}", "put it in quotes"))
            return
        self._count += 1  # by the line alone, chains that YAML repeats by an alias would have one name
        name = f"{UNNAMED}{label}:{self._count}" if own_id is None else str(own_id)
        parts = [ChainPart(name, number + 1, len(links)) for number in range(len(links))]
        for part, own in zip(parts, links, strict=True):
            try:
                yield self._make_link(entry, part, own, then)
            except Fault as fault:
                field = EXTEND if EXTEND in entry.fields else f"{CHAIN}[{part.link - 1}]"
                self._report(entry._replace(chain=part), field, fault)

    def _make_link(self, entry: Entry, part: ChainPart, own: Mapping[str, object], then: Mapping[str, object]) -> Entry:
        shared = {key: value for key, value in entry.fields.items() if key not in CHAIN_KEYS}
        is_first = part.link == 1
        fields = {**shared, **own} if is_first else {**self._without_start(shared), **then, **own}
        name = shared.get("name", self._find_default("name"))
        if isinstance(name, str) and "name" not in own:
            fields["name"] = f"{name}-{part.link:0{len(str(part.links))}}"
        if entry.fields.get("id") is not None:
            fields["id"] = part.name
        lines = dict(entry.lines)
        if not is_first:
            before = part._replace(link=part.link - 1).name
            field = self._continue({**then, **own}, fields, before, must_extend=EXTEND in entry.fields)
            lines.pop(field, None)  # what the chain has for its first link is not what this one begins with
        for table in (own,) if is_first else (then, own):
            lines |= table.lines if isinstance(table, Table) else {}
        line = find_line(entry, f"{CHAIN}[{part.link - 1}]" if CHAIN in entry.fields else EXTEND)
        return Entry(line, fields, lines, part)

    def _continue(self, own: Mapping[str, object], fields: dict[str, object], before: str, *, must_extend: bool) -> str:
        """Add the input that continues the link before, and return its field. Raises ``Fault`` if there is none.

        ``own``: what this link has besides what all have.
        """
        model = self._find_model(fields)
        way = find_continuation(model)
        if must_extend and (way is None or way.taken is not Taken.VIDEO):
            raise Fault(f"{model.id} does not extend videos", f"{THEN}: {{model: google/veo3-1-fast-extend-video}}")
        if way is None:
            raise Fault(f"{model.id} begins with no image", f"{THEN}: {{model: …}} with one that takes image_url")
        field, part = way.parameter, VIDEO if way.taken is Taken.VIDEO else LAST
        if field in own:
            if not is_link(own[field]):
                message = f"{field} is what continues the link before"
                raise Fault(message, "take it out; another image begins a chain of its own", path=(field,))
        elif "rows_file" in fields and has_braces(before):  # each row fills the id
            fields[field] = {OF: before} if part == VIDEO else {FRAME: part, OF: before}
        else:
            fields[field] = LinkTo(part, before, way.takes_data)
        return field

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

    def _check_ending(self, fields: Mapping[str, object]) -> None:
        """Raise ``Fault`` if the chain has a frame that ends one link."""
        last = next((name for name in _ENDING if name in fields), None)
        if last is not None and last in self._find_model(fields).params:
            raise Fault("would be the end of each link", f"write it in one: {{prompt: …, {last}: …}}", field=last)

    def _without_start(self, fields: Mapping[str, object]) -> dict[str, object]:
        """The fields without what the first link begins with."""
        params = self._find_model(fields).params
        start = {name for name in (*LEADING, VIDEO_URL) if name in params}
        return {key: value for key, value in fields.items() if key not in start}


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
    return _read_prompts(written)


def _read_prompts(written: Sequence[object]) -> list[Mapping[str, object]]:
    """What each link of a list has of its own. Raises all faults as one."""
    links: list[Mapping[str, object]] = []
    faults = []
    for number, link in enumerate(written):
        try:
            links.append({"prompt": link} if isinstance(link, str) else _read_fields(link, "a prompt, or {prompt: …}"))
        except Fault as fault:
            fault.path = (number,)
            faults.append(fault)
    if faults:
        raise join_faults(faults)
    return links


def _read_fields(value: object, right: str) -> Mapping[str, object]:
    if not isinstance(value, dict):
        raise Fault(f"must be a mapping, not {shown(value)}", right)
    wrong = next((key for key in value if key in NO_LINK_KEYS), None)
    if wrong in CHAIN_KEYS:
        raise Fault(f"{wrong} makes a chain within a chain", "a branch is an entry with a link of its own")
    if wrong is not None:
        raise Fault(f"{wrong} belongs to the whole chain", f"write it beside {CHAIN}")
    return value
