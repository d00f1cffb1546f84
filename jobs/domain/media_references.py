"""References to files in a result: `media:<n>` in each place where BFL had the n-th file's URL."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

_REFERENCE = re.compile(r"media:([0-9]{1,3})", re.ASCII)


def leaves(value: Any) -> Iterator[Any]:
    """Everything in a JSON value that is no list and no object."""
    if isinstance(value, list | dict):
        for item in value.values() if isinstance(value, dict) else value:
            yield from leaves(item)
    else:
        yield value


def texts(value: Any) -> Iterator[str]:
    return (leaf for leaf in leaves(value) if isinstance(leaf, str))


def map_leaves(
    value: Any, change: Callable[[Any], Any], change_name: Callable[[str], str] = str
) -> Any:
    """A JSON value with each of its leaves changed, and the names of its members."""
    if isinstance(value, list | tuple):
        return [map_leaves(item, change, change_name) for item in value]
    if isinstance(value, dict):
        return {change_name(k): map_leaves(v, change, change_name) for k, v in value.items()}
    return change(value)


def map_texts(
    value: Any, change: Callable[[str], Any], change_name: Callable[[str], str] = str
) -> Any:
    return map_leaves(
        value, lambda leaf: change(leaf) if isinstance(leaf, str) else leaf, change_name
    )


def replace_texts(value: Any, replacements: Mapping[str, Any]) -> Any:
    return map_texts(value, lambda text: replacements.get(text, text))


def drop_references(result: Mapping[str, Any], left_out: Sequence[int]) -> dict[str, Any]:
    """Drop the references to files that were left out, and renumber the others."""
    numbers = [int(found[1]) for text in texts(result) if (found := _REFERENCE.fullmatch(text))]
    moved = {
        f"media:{n}": None if n in left_out else f"media:{n - sum(gone < n for gone in left_out)}"
        for n in numbers
    }
    return dict(replace_texts(result, moved))


def references_only(result: Mapping[str, Any]) -> dict[str, Any]:
    """A result without any text that a person may have given, such as the prompt."""
    return dict(map_texts(result, lambda text: text if _REFERENCE.fullmatch(text) else None))


def with_links(result: Mapping[str, Any], links: Sequence[str]) -> dict[str, Any]:
    """Replace references by links: the result as BFL sent it, with our links."""
    return dict(replace_texts(result, {f"media:{n}": link for n, link in enumerate(links)}))
