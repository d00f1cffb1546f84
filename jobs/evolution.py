"""Jobs made and changed at a tenth of what dataclasses take: they have some sixty fields."""

from typing import TYPE_CHECKING, Any, TypeVar

T = TypeVar("T")

if TYPE_CHECKING:
    from collections.abc import Callable
    from dataclasses import replace  # so that names and types of fields are checked
    from typing import ParamSpec

    P = ParamSpec("P")

    def made(kind: Callable[P, T], *args: P.args, **facts: P.kwargs) -> T: ...

else:
    from dataclasses import MISSING, fields
    from functools import cache

    def made(kind: type[T], **facts: Any) -> T:
        """A job whose other fields are at their defaults."""
        job = object.__new__(kind)
        job.__dict__.update(_defaults(kind))
        job.__dict__.update(facts)
        return job

    def replace(job: T, **changes: Any) -> T:
        """It is changed half a dozen times for each callback."""
        changed = object.__new__(type(job))
        changed.__dict__.update(job.__dict__)
        changed.__dict__.update(changes)
        return changed

    @cache
    def _defaults(kind: type) -> dict[str, Any]:
        """Nobody changes what is made here: fields are read only, and so is what is in them."""
        return {
            one.name: one.default if one.default_factory is MISSING else one.default_factory()
            for one in fields(kind)
        }


__all__ = ["made", "replace"]
