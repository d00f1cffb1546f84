"""Validation of a JSON object against the fields of a dataclass."""

from collections.abc import Mapping
from dataclasses import fields
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints


class InvalidField(ValueError):
    """A field that is unknown or whose value has the wrong type."""

    def __init__(self, name: str, msg: str, kind: str) -> None:
        super().__init__(f"{name}: {msg}")
        self.name, self.msg, self.kind = name, msg, kind


def read_fields(kind: type, given: Mapping[str, Any]) -> dict[str, Any]:
    """The checked values of `given`, ready for the constructor of `kind`. Raises InvalidField."""
    hints = get_type_hints(kind)
    known = {field.name for field in fields(kind)}
    for name in given:
        if name not in known:
            raise InvalidField(name, "Extra inputs are not permitted", "extra_forbidden")
    return {name: _read(name, value, hints[name]) for name, value in given.items()}


def _read(name: str, value: Any, hint: Any) -> Any:
    if not _fits(value, hint):
        raise InvalidField(name, f"Input should be {_spell(hint)}", "type_error")
    return set(value) if get_origin(hint) is set else value


def _fits(value: Any, hint: Any) -> bool:
    origin, args = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        return any(_fits(value, arg) for arg in args)
    if origin is Literal:
        return any(value == arg and type(value) is type(arg) for arg in args)
    if origin in (list, set):
        return isinstance(value, list | set) and all(_fits(item, args[0]) for item in value)
    if origin is dict:
        return isinstance(value, dict) and all(_fits(item, args[1]) for item in value.values())
    if hint is float:
        return type(value) in (int, float)
    # `type is`, not isinstance: JSON's true must not pass for the number one.
    return hint is Any or type(value) is hint


def _spell(hint: Any) -> str:
    return hint.__name__ if isinstance(hint, type) else str(hint).replace("typing.", "")
