"""Jobs made and changed at a tenth of what dataclasses take: they have some sixty fields."""

import dataclasses
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

T = TypeVar("T")
P = ParamSpec("P")


def made(kind: Callable[P, T], *_args: P.args, **facts: P.kwargs) -> T:
    """A job whose other fields are at their defaults; all of its facts are named."""
    job: Any = object.__new__(kind)  # type: ignore[arg-type]  # it is a class
    job.__dict__.update(_defaults(kind))
    job.__dict__.update(facts)
    made: T = job
    return made


def _replaced(job: T, **changes: Any) -> T:
    """It is changed half a dozen times for each callback."""
    changed = object.__new__(type(job))
    changed.__dict__.update(job.__dict__)
    changed.__dict__.update(changes)
    return changed


# To a type checker it is the one of dataclasses, so that names and types of fields are checked.
replace = dataclasses.replace if TYPE_CHECKING else _replaced


@cache
def _defaults(kind: Any) -> dict[str, Any]:
    """Nobody changes what is made here: fields are read only, and so is what is in them."""
    return {
        one.name: one.default
        if one.default_factory is dataclasses.MISSING
        else one.default_factory()
        for one in dataclasses.fields(kind)
    }
