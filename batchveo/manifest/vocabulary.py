"""Which keys of an entry are the manifest's own, which are parameters, and of which models.

The service has over a hundred models with a hundred names of parameters, ``style``, ``mode`` and ``loop`` among them.
People call the columns of their tables and the variables of a matrix so, too. So a few names, those of the Veo models,
are always parameters; any other name is one only in an entry whose own model takes it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import cached_property

from batchveo.provider.catalog import Catalog, Model

CHECK_KEYS = ("checks", "gates", "prefer", "priority")
"""The keys of a job that may differ from model to model: what is checked of its clip, and when it is submitted."""
JOB_KEYS = (
    "id",
    "name",
    "prompts_file",
    "prompts_format",
    "names_file",
    "rows_file",
    "matrix",
    "repeat",
    "tries",
    *CHECK_KEYS,
    "meta",
    "model",
    "per_model",
    "unchecked",
)
"""The keys of a job that are not sent as they are."""

TEXTS = frozenset(("prompt", "negative_prompt"))
"""Common parameters that are texts in somebody's own words."""
CLOSED = frozenset(
    (
        "duration",
        "resolution",
        "aspect_ratio",
        "seed",
        "generate_audio",
        "enhance_prompt",
        "auto_fix",
        "provider",
        "person_generation",
    )
)
"""Common parameters that take a choice, a number or a boolean."""
COMMON = TEXTS | CLOSED | {"image_url", "image_urls", "last_image_url", "video_url"}
"""The names that are parameters in every entry. This list is part of the manifest's format: a name that is added here
takes columns and variables away from their owners."""
FIXED = frozenset((*COMMON, *JOB_KEYS))
"""The names that mean the same in every entry."""


class Vocabulary:
    """The names that the models of a catalogue give to their parameters.

    ``any_model``: models that are not in the catalogue are allowed; they take every parameter.
    """

    def __init__(self, catalog: Catalog, *, any_model: bool = False) -> None:
        self.catalog = catalog
        self.any_model = any_model

    @cached_property
    def parameters(self) -> frozenset[str]:
        """The names of all parameters, of any model."""
        return self.catalog.list_parameters() | COMMON

    @cached_property
    def by_fold(self) -> Mapping[str, str]:
        """All parameters and keys of a job by their names in lower case, as the header of a table is read."""
        return {name.casefold(): name for name in (*self.parameters, *JOB_KEYS)}

    def find_model(self, name: object) -> Model | None:
        """The model of this name or alias; ``None`` if there is none."""
        return self.catalog.get(name.strip()) if isinstance(name, str) else None

    def is_taken(self, name: str, models: Collection[object]) -> bool:
        """Whether ``name`` is a parameter in an entry for these models, as written.

        If no model is known yet (a template names it), the name counts if any model of the catalogue has it.
        """
        if name in COMMON:
            return True
        if name not in self.parameters:
            return False
        found = [model for model in map(self.find_model, models) if model is not None]
        return any(name in model.params for model in found) if found else not models or self.any_model
