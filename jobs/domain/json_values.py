"""Walk through a JSON value, and copy it with other texts in it."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any


def leaves(value: Any) -> Iterator[Any]:
    """Everything in a JSON value that is no list and no object."""
    if isinstance(value, dict):
        for member in value.values():
            yield from leaves(member)
    elif isinstance(value, list):
        for item in value:
            yield from leaves(item)
    else:
        yield value


def texts(value: Any) -> Iterator[str]:
    """Every text in a JSON value, without the names of members."""
    for leaf in leaves(value):
        if isinstance(leaf, str):
            yield leaf


def map_leaves(
    value: Any, change: Callable[[Any], Any], change_name: Callable[[str], str] = str
) -> Any:
    """A copy of a JSON value with each of its leaves changed, and the names of its members."""
    if isinstance(value, list | tuple):
        return [map_leaves(item, change, change_name) for item in value]
    if isinstance(value, dict):
        changed = {}
        for name, member in value.items():
            changed[change_name(name)] = map_leaves(member, change, change_name)
        return changed
    return change(value)


def map_texts(
    value: Any, change: Callable[[str], Any], change_name: Callable[[str], str] = str
) -> Any:
    """A copy of a JSON value with each of its texts changed, and the names of its members."""

    def change_text(leaf: Any) -> Any:
        if isinstance(leaf, str):
            return change(leaf)
        return leaf

    return map_leaves(value, change_text, change_name)


def replace_texts(value: Any, replacements: Mapping[str, Any]) -> Any:
    """A copy of a JSON value in which some texts are replaced, each as a whole."""
    return map_texts(value, lambda text: replacements.get(text, text))
