"""Schemas of BFL's models: their modes, and the fields of an input.

They are read from a document that comes from outside: every part has a bound.
"""

from collections.abc import Mapping
from dataclasses import field
from enum import StrEnum
from typing import Annotated, Any

from pydantic import ConfigDict, Field, StringConstraints
from pydantic.dataclasses import dataclass

from jobs.bfl.model_names import MODEL

Model = Annotated[str, StringConstraints(pattern=rf"^{MODEL}\z", max_length=200)]
Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_]{0,64}\z")]
ModeName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.-]{0,64}\z")]
Scalar = bool | int | float | Annotated[str, StringConstraints(max_length=200)] | None
NOT_EMPTY = Field(min_length=1, max_length=100)
STRICT = ConfigDict(strict=True)


class Kind(StrEnum):
    """The kind of value that a field takes: a type of JSON or a file."""

    TEXT = "string"
    INTEGER = "integer"
    NUMBER = "number"
    FLAG = "boolean"
    CHOICE = "choice"
    IMAGE = "image"
    VIDEO = "video"
    DRAFT = "draft"
    JSON = "json"  # anything else

    @property
    def is_file(self) -> bool:
        return self in FILE_KINDS


FILE_KINDS = frozenset({Kind.IMAGE, Kind.VIDEO, Kind.DRAFT})

# Keywords of JSON Schema that bound a value, and their words.
BOUNDS = {
    "minimum": "from",
    "exclusiveMinimum": "above",
    "maximum": "to",
    "exclusiveMaximum": "below",
    "multipleOf": "in steps of",
    "minLength": "from",
    "maxLength": "to",
}


@dataclass(frozen=True, config=STRICT)
class InputField:
    """A field of an input. A file is a string, or with `is_timed` a pair of seconds and string."""

    kind: Kind
    is_required: bool = False
    default: Scalar = None
    choices: Annotated[tuple[Scalar, ...], Field(max_length=100)] = ()
    bounds: Mapping[str, float] = field(default_factory=dict)  # by keyword of JSON Schema
    is_list: bool = False
    is_timed: bool = False

    @property
    def range(self) -> str:
        """Its bounds in words, such as `from 256 to 1440 in steps of 32`."""
        words = [f"{BOUNDS[keyword]} {bound:g}" for keyword, bound in self.bounds.items()]
        if "maxLength" in self.bounds:
            words.append("characters")
        return " ".join(words)


@dataclass(frozen=True, config=STRICT)
class Mode:
    """One way to use a model; its fields are without those of webhooks."""

    fields: Annotated[Mapping[Name, InputField], NOT_EMPTY]
    is_strict: bool  # whether BFL refuses further fields
    takes_webhook: bool


@dataclass(frozen=True, config=STRICT)
class Endpoint:
    """A model: its modes by the value of the field `selector`.

    A model without a selector has one mode without a name.
    """

    modes: Annotated[Mapping[ModeName, Mode], NOT_EMPTY]
    selector: Name = ""

    def mode_of(self, values: Mapping[str, Any]) -> str:
        """The mode that an input names, else the first mode that has most of its fields."""
        selected = values.get(self.selector)
        if isinstance(selected, str) and selected in self.modes:
            return selected
        best_name = ""
        most_fields = -1
        for name, mode in self.modes.items():
            shared_fields = values.keys() & mode.fields.keys()
            if len(shared_fields) > most_fields:
                best_name = name
                most_fields = len(shared_fields)
        return best_name


Endpoints = Annotated[dict[Model, Endpoint], Field(max_length=500)]
