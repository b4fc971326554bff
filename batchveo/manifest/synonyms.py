"""What somebody means who writes a key that nobody knows."""

from __future__ import annotations

import re
import shlex
from collections.abc import Collection, Iterable, Mapping

from batchveo.core.hints import find_closest
from batchveo.manifest.problems import cut

_CLOSE = 0.75
"""How much two words must have in common to be one that was mistyped: ``caption`` is not ``duration``."""

_SAID: Mapping[str, str] = {
    "prompt": """
        caption captions text texts description descriptions desc sentence content instruction
        instructions video_prompt text_prompt prompt_text prompts prompt_en input input_text query
        positive positive_prompt scene script idea video_description video_caption long_caption
        refined_prompt
    """,
    "negative_prompt": "neg_prompt negative negatives neg negprompt n_prompt avoid exclude without negative_text",
    "image_url": """
        image img image_path img_path image_file first_frame start_frame start_image first_image
        first_image_url first_frame_url init_image input_image picture photo image_link img_url
        imageurl image_src start_image_url source_image frame
    """,
    "image_urls": """
        images imgs reference_images references reference image_list ref_images
        reference_image_urls
    """,
    "last_image_url": """
        last_frame end_frame last_image end_image tail_image last_frame_url end_image_url
        tail_image_url end_frame_url final_frame lastframe
    """,
    "video_url": "video video_path input_video source_video video_link clip video_file",
    "aspect_ratio": "ratio aspect aspectratio orientation format shape",
    "duration": """
        length seconds secs sec duration_seconds duration_s duration_sec video_length time
        length_seconds clip_length durationseconds
    """,
    "resolution": "res quality size height definition",
    "generate_audio": "audio sound with_audio with_sound has_audio enable_audio generateaudio",
    "enhance_prompt": "enhance rewrite_prompt prompt_enhance enhanceprompt prompt_upsampling",
    "seed": "random_seed rng_seed seed_number",
    "person_generation": "persons people persongeneration allow_people",
    "name": """
        title video_id videoid filename file_name file output output_name out stem slug video_name
        clip_name label
    """,
    "id": "uid uuid key job_id custom_id identifier",
    "repeat": """
        repeats count copies n num_videos number_of_videos sample_count samples takes n_samples
        times variants
    """,
    "model": "model_id model_name modelname engine checkpoint",
    "meta": "metadata tags extra extras info",
    "checks": "check check_level",
    "gates": "gate gating conditions",
    "prefer": "preference preferred",
    "matrix": "variables vars grid sweep variations",
    "prompts_file": "prompt_file promptsfile prompts_path prompt_list prompts_list",
}
"""For each key what others call it."""

_MEANT = {said: key for key, words in _SAID.items() for said in words.split()}
_BETWEEN = re.compile(r"[\s\-]+")


def fold_key(key: str) -> str:
    """A key as it is compared: its case, and blanks or hyphens for ``_``, make no difference."""
    return _BETWEEN.sub("_", key.strip().casefold())


def key_hint(key: str, known: Collection[str]) -> str | None:
    """``did you mean …`` for a key that says one of the known in other words; ``None`` if none is meant."""
    word = fold_key(key)
    by_fold = {fold_key(name): name for name in known}
    if word in by_fold:
        return f"write {by_fold[word]}"
    meant = _MEANT.get(word)
    if meant in known:
        return f"did you mean {meant}?"
    matches = find_closest(word, by_fold, most=2, cutoff=_CLOSE)
    return f"did you mean {' or '.join(by_fold[match] for match in matches)}?" if matches else None


def means(key: str, name: str) -> bool:
    """Whether somebody who wrote ``key`` may have meant ``name``."""
    return key_hint(key, (name,)) is not None


def means_any(word: str) -> bool:
    """Whether a folded word is another name of some key."""
    return word in _MEANT


def meant_by(key: str) -> str | None:
    """The key that others call so; ``None`` if there is none."""
    return _MEANT.get(fold_key(key))


def carry_along(key: str, *, column: bool = False, renamable: bool = False) -> str:
    """How to keep what is no parameter."""
    name = cut(key.strip(), 40)
    if column:
        return f"write meta.{name} to carry it along, or --extra meta|ignore"
    return f"meta: {{{name}: …}} carries it along" + (", or --extra meta|ignore" if renamable else "")


def suggest_key(key: str, known: Iterable[str], *, column: bool = False, renamable: bool = False) -> str:
    """What to write in place of a key that nobody knows: in YAML, in JSON (``renamable``), or as a ``column``."""
    guess = key_hint(key, [*known])
    carried = carry_along(key, column=column, renamable=renamable)
    if guess is None or not guess.endswith("?"):
        return guess or carried
    meant = guess.removeprefix("did you mean ").removesuffix("?").partition(" or ")[0]
    takes = f" --map {meant}={_in_a_shell(cut(key.strip(), 40))} takes it for that." if column or renamable else ""
    return f"{guess}{takes} If not, {carried}"


def _in_a_shell(text: str) -> str:
    """The text as a word of a command line."""
    return text if re.fullmatch(r"[\w.-]+", text) else shlex.quote(text)
