"""References to files in a result: `media:<n>` in each place where BFL had the n-th file's URL."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from jobs.domain.json_values import map_texts, replace_texts, texts

_REFERENCE = re.compile(r"media:([0-9]{1,3})", re.ASCII)


def drop_references(result: Mapping[str, Any], left_out: Sequence[int]) -> dict[str, Any]:
    """Drop the references to files that were left out, and renumber the others."""
    replacements: dict[str, str | None] = {}
    for number in _referenced_numbers(result):
        if number in left_out:
            replacements[_reference(number)] = None
        else:
            replacements[_reference(number)] = _reference(_new_number(number, left_out))
    return dict(replace_texts(result, replacements))


def _new_number(number: int, left_out: Sequence[int]) -> int:
    """The number of a file once the files that were left out are gone from before it."""
    new_number = number
    for left_out_number in left_out:
        if left_out_number < number:
            new_number -= 1
    return new_number


def _referenced_numbers(result: Mapping[str, Any]) -> list[int]:
    numbers = []
    for text in texts(result):
        reference = _REFERENCE.fullmatch(text)
        if reference:
            numbers.append(int(reference[1]))
    return numbers


def _reference(number: int) -> str:
    return f"media:{number}"


def references_only(result: Mapping[str, Any]) -> dict[str, Any]:
    """A result without any text that a person may have given, such as the prompt."""

    def reference_or_nothing(text: str) -> str | None:
        if _REFERENCE.fullmatch(text):
            return text
        return None

    return dict(map_texts(result, reference_or_nothing))


def with_links(result: Mapping[str, Any], links: Sequence[str]) -> dict[str, Any]:
    """Replace references by links: the result as BFL sent it, with our links."""
    link_of_reference = {_reference(number): link for number, link in enumerate(links)}
    return dict(replace_texts(result, link_of_reference))
