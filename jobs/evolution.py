"""A job with some of its fields changed, at a tenth of what `dataclasses.replace` takes."""

from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from dataclasses import replace  # so that names and types of fields are checked
else:
    T = TypeVar("T")

    def replace(job: T, **changes: Any) -> T:
        """It has some sixty fields, and is changed half a dozen times for each callback."""
        changed = object.__new__(type(job))
        changed.__dict__.update(job.__dict__)
        changed.__dict__.update(changes)
        return changed


__all__ = ["replace"]
