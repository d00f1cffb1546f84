"""The form's controls for one mode of a model, by BFL's document, and what they hold as an input.

A control for files has a text with one of these a line: a URL or base64, `input:<n>` for a file of
the job that is used again, `file:<n>` for the n-th upload of the control; before them the seconds
where files have times. Uploads that no line names follow.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain, count
from math import inf
from typing import Any, NamedTuple, Self

from jobs.bfl import model_names
from jobs.bfl.model_schemas import Endpoints, InputField, Kind
from jobs.domain.errors import BadRequest
from jobs.net import strict_json

ANY = "files"  # uploads for the first controls that have room
# Names and ids of the page's own: BFL's fields of these names go into "Other fields".
RESERVED = {
    *("model", "other_model", "aspect", "more", "metadata", "repeats", "show", ANY),
    *("csrf_token", "idempotency_key", "announcements", "main", "result", "stale"),
    *("submit", ""),
}

_NUMBERS = {
    Kind.INTEGER: (re.compile(r"-?[0-9]{1,40}", re.ASCII), int, "Enter a whole number."),
    Kind.NUMBER: (re.compile(r"-?[0-9]{1,40}(\.[0-9]{1,40})?", re.ASCII), float, "Enter a number."),
}
_DRAFT = re.compile(r"([A-Za-z0-9_-]{1,128})(?: ([0-9]{1,3}))?", re.ASCII)
_NUMBERED = re.compile(r"(.+)_[0-9]+", re.ASCII)
_TIMED = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)\s+(\S+)", re.ASCII)

Load = Callable[[str], Any]  # the file that `input:<n>` names; None for any other text
Errors = dict[str, str]  # messages by field


class FileControl(NamedTuple):
    """A control for files: of one field, or of numbered ones that are filled in order."""

    field: InputField
    names: tuple[str, ...]

    @property
    def most(self) -> float:
        return inf if self.field.is_list else len(self.names)

    def read(self, text: str, uploads: Iterable[Any], load: Load) -> list[tuple[str, Any]]:
        """Each file with its seconds, which may be empty."""
        waiting = {f"file:{n}": upload for n, upload in enumerate(uploads)}
        found = []
        for line in filter(None, map(str.strip, text.splitlines())):
            timed = _TIMED.fullmatch(line) if self.field.is_timed else None
            seconds, content = timed.groups() if timed else ("", line)
            value = waiting.pop(content, None) or load(content) or parse(content, self.field)
            found.append((seconds, value))
        return found + [("", upload) for upload in waiting.values()]

    def place(self, files: Sequence[tuple[str, Any]], taken: Iterable[str]) -> dict[str, Any]:
        """Files in fields that are not taken. Raises ValueError.

        Numbers go on where there are more files than fields: BFL may take them.
        """
        name, contents = self.names[0], [content for _, content in files]
        if any(seconds for seconds, _ in files):
            if not all(seconds for seconds, _ in files):
                raise ValueError("Give each file its time in seconds, or none.")
            return {name: [[float(seconds), content] for seconds, content in files]}
        if len(files) > self.most == 1:
            raise ValueError("Give one: a file or a URL.")
        if self.field.is_list:
            return {name: contents} if contents else {}
        further = (f"{name}_{n}" for n in count(len(self.names) + 1))
        free = (one for one in chain(self.names, further) if one not in taken)
        return {one: content for content, one in zip(contents, free, strict=False)}


# For files of a model that has no field for them: BFL may know one.
_FURTHER = {"input_image": FileControl(InputField(Kind.IMAGE), ("input_image", "input_image_2"))}


class InputForm(NamedTuple):
    """The controls; for a model that BFL does not list, those of the usual one."""

    mode: str
    modes: tuple[str, ...]
    selector: str  # name of the field that holds the mode; empty if there is but one
    fields: Mapping[str, InputField]
    required: frozenset[str]

    @classmethod
    def of(cls, endpoints: Endpoints, model: str, given: Mapping[str, Any]) -> Self:
        """The form for an input, which names its mode or has fields of one."""
        endpoint = endpoints.get(model) or endpoints[model_names.DEFAULT]
        mode = endpoint.mode_of(given)
        known = endpoint.modes[mode].fields
        fields = {name: field for name, field in known.items() if name not in RESERVED}
        required = (name for name in known if known[name].is_required and model in endpoints)
        selector = "" if endpoint.selector in RESERVED else endpoint.selector
        return cls(mode, tuple(endpoint.modes), selector, fields, frozenset(required))

    @property
    def controls(self) -> dict[str, FileControl]:
        """The controls for files by the name of their first field."""
        found: dict[str, list[str]] = {}
        for name in (name for name, field in self.fields.items() if field.kind.is_file):
            base = _NUMBERED.fullmatch(name)
            found.setdefault(base[1] if base and base[1] in found else name, []).append(name)
        return {name: FileControl(self.fields[name], tuple(names)) for name, names in found.items()}

    def read(
        self, given: Mapping[str, str], uploads: Mapping[str, list[Any]], load: Load, errors: Errors
    ) -> dict[str, Any]:
        """The input: the mode, what was typed or chosen, and the files."""
        controls, anywhere = self.controls or _FURTHER, list(uploads.get(ANY, ()))
        values: dict[str, Any] = {}
        if self.selector:
            values[self.selector] = given.get(self.selector) or self.mode
        for name, field in self.fields.items():
            if name not in controls and given.get(name):
                try:
                    values[name] = parse(given[name], field)
                except ValueError as error:
                    errors[name] = str(error)
        values |= {name: one[-1] for name, one in uploads.items() if name not in (ANY, *controls)}
        for name, control in controls.items():
            files = control.read(given.get(name, ""), uploads.get(name, ()), load)
            while anywhere and (len(files) < control.most or name == [*controls][-1]):
                files.append(("", anywhere.pop(0)))
            try:
                values |= control.place(files, values)
            except ValueError as error:
                errors[name] = str(error)
        return values

    def texts(self, given: Mapping[str, Any]) -> tuple[dict[str, str], dict[str, Any]]:
        """The texts that make an input, `input:<n>` for its files; and what no text makes."""
        texts, more = dict[str, str](), dict(given)
        for name, control in self.controls.items():
            found = [more[one] for one in control.names if one in more]
            if found and isinstance(found[0], list) and not as_text(found[0]):
                found = found[0]
            if all(map(as_text, found)):
                texts[name] = "\n".join(map(as_text, found))
                more = {one: value for one, value in more.items() if one not in control.names}
        for name, field in self.fields.items():
            value = more.get(name, "")
            try:
                typed = parse(as_text(value), field)
            except ValueError:
                continue
            if typed == value != "" and isinstance(typed, bool) is isinstance(value, bool):
                texts[name] = as_text(more.pop(name))
        if isinstance(more.get(self.selector), str):
            texts[self.selector] = more.pop(self.selector)
        return texts, more


def parse(text: str, field: InputField) -> Any:
    """The value of what was typed or chosen. Raises ValueError with a sentence for people."""
    for choice in field.choices:
        if text == as_text(choice):
            return choice
    if field.kind in _NUMBERS:
        pattern, convert, message = _NUMBERS[field.kind]
        if not pattern.fullmatch(text):
            raise ValueError(message)
        return convert(text)
    if field.kind is Kind.FLAG and text in ("yes", "no"):
        return text == "yes"
    if field.kind is Kind.DRAFT and (draft := _DRAFT.fullmatch(text)):
        return {"job": draft[1], "n": int(draft[2] or 0)}
    try:
        return strict_json.loads(text.encode()) if field.kind is Kind.JSON else text
    except BadRequest:
        raise ValueError('Enter JSON, such as {"key": 1}.') from None


def as_text(value: Any) -> str:
    """A value as it is typed or chosen; empty if that cannot be."""
    match value:
        case bool():
            return "yes" if value else "no"
        case float():
            return f"{value:.15g}"
        case str() | int():
            return str(value)
        case {"job": str(job_id), **rest}:  # a draft
            return f"{job_id} {rest.get('n', 0)}"
        case [int() | float() as seconds, str(file)]:
            return f"{as_text(seconds)} {file}"
    return ""
