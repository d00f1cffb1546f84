"""Differences between two readings of BFL's document, in words for the operator."""

from collections.abc import Iterable, Iterator, Mapping

from jobs.bfl.model_schemas import Endpoint, InputField, Mode

Part = Endpoint | Mode | InputField


def describe_differences(
    before: Mapping[str, Part], after: Mapping[str, Part], parent: str = ""
) -> Iterator[str]:
    """Name the models, modes or fields that differ.

    A part that is gone counts as renamed where a new one is equal to it.
    """
    new_names = [name for name in after if name not in before]
    for name, part in before.items():
        path = _path(parent, name)
        if name in after:
            yield from _describe_change(path, part, after[name])
            continue
        new_name = _name_of_equal_part(part, after, new_names)
        if new_name is None:
            yield f"{path} is gone"
        else:
            new_names.remove(new_name)
            yield f"{path} is now {new_name}"
    for name in new_names:
        yield f"{_path(parent, name)} is new"


def _describe_change(path: str, before: Part, after: Part) -> Iterator[str]:
    inner_differences = list(describe_differences(_parts_of(before), _parts_of(after), path))
    if inner_differences:
        yield from inner_differences
    elif before != after:
        yield f"{path} has changed"


def _parts_of(part: Part) -> Mapping[str, Part]:
    if isinstance(part, Endpoint):
        return part.modes
    if isinstance(part, Mode):
        return part.fields
    return {}


def _name_of_equal_part(part: Part, parts: Mapping[str, Part], names: Iterable[str]) -> str | None:
    for name in names:
        if parts[name] == part:
            return name
    return None


def _path(parent: str, name: str) -> str:
    """The path of a part in words; the only mode of a model has no name."""
    return f"{parent} {name}".strip()
