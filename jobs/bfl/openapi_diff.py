"""Differences between two documents of BFL, in words."""

from collections.abc import Iterator, Mapping
from typing import Any


def differences(before: Mapping[str, Any], after: Mapping[str, Any], *where: str) -> Iterator[str]:
    """Models, their modes or their fields; what is gone and new with the same facts was renamed."""
    new = [name for name in after if name not in before]
    for name, part in before.items():
        path = " ".join(filter(None, (*where, name)))
        if name in after:
            inner = [*differences(_parts(part), _parts(after[name]), path)]
            yield from inner or ([f"{path} has changed"] if part != after[name] else [])
        elif twin := next((one for one in new if after[one] == part), None):
            new.remove(twin)
            yield f"{path} is now {twin}"
        else:
            yield f"{path} is gone"
    yield from (" ".join((*where, name, "is new")) for name in new)


def _parts(part: Any) -> Mapping[str, Any]:
    parts: Mapping[str, Any] = getattr(part, "modes", getattr(part, "fields", {}))
    return parts
