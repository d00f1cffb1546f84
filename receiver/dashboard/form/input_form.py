"""The form's controls for one mode of a model, as BFL's document describes it."""

import re
from collections.abc import Mapping
from typing import Any, NamedTuple, Self

from jobs.bfl import model_names
from jobs.bfl.model_schemas import Endpoints, InputField, Kind
from receiver.dashboard.form.field_text import as_text, can_be_typed, parse_text
from receiver.dashboard.form.file_control import FileControl, LoadFile, TimedFile

ANY_CONTROL = "files"  # uploads for the first controls that have room
# Names and ids that the page itself uses: BFL's fields of these names go into "Other fields".
RESERVED = {
    "",
    "announcements",
    "aspect",
    "csrf_token",
    "idempotency_key",
    "main",
    "metadata",
    "model",
    "more",
    "other_model",
    "repeats",
    "result",
    "show",
    "stale",
    "submit",
    ANY_CONTROL,
}
_NUMBERED_NAME = re.compile(r"(?P<first_name>.+)_[0-9]+", re.ASCII)
# For files of a model that has no field for them: BFL may know one.
_UNDOCUMENTED_CONTROLS = {
    "input_image": FileControl(InputField(Kind.IMAGE), ("input_image", "input_image_2"))
}

Uploads = Mapping[str, list[Any]]  # by the name of their control


class ReadInput(NamedTuple):
    """An input that a visitor filled in, and messages about fields that cannot be read."""

    values: dict[str, Any]
    messages: dict[str, str]


class FormTexts(NamedTuple):
    """An input as the form shows it: texts of its controls, and values that no control can hold."""

    texts: dict[str, str]
    further_values: dict[str, Any]


class InputForm(NamedTuple):
    """The controls; for a model that BFL does not list, those of the default model."""

    mode: str
    modes: tuple[str, ...]
    selector: str  # name of the field that holds the mode; empty if there is one mode only
    fields: Mapping[str, InputField]
    required: frozenset[str]

    @classmethod
    def for_input(cls, endpoints: Endpoints, model: str, values: Mapping[str, Any]) -> Self:
        """The form for an input, which names its mode or has fields of one mode."""
        endpoint = endpoints.get(model) or endpoints[model_names.DEFAULT]
        mode = endpoint.mode_of(values)
        mode_fields = endpoint.modes[mode].fields
        shown_fields = {name: field for name, field in mode_fields.items() if name not in RESERVED}
        required: frozenset[str] = frozenset()
        if model in endpoints:
            required = frozenset(name for name, field in mode_fields.items() if field.is_required)
        selector = endpoint.selector
        if selector in RESERVED:
            selector = ""
        return cls(mode, tuple(endpoint.modes), selector, shown_fields, required)

    @property
    def controls(self) -> dict[str, FileControl]:
        """The controls for files by the name of their first field."""
        names_by_control: dict[str, list[str]] = {}
        for name, field in self.fields.items():
            if not field.kind.is_file:
                continue
            numbered_name = _NUMBERED_NAME.fullmatch(name)
            if numbered_name and numbered_name["first_name"] in names_by_control:
                names_by_control[numbered_name["first_name"]].append(name)
            else:
                names_by_control[name] = [name]
        controls = {}
        for first_name, names in names_by_control.items():
            controls[first_name] = FileControl(self.fields[first_name], tuple(names))
        return controls

    def read(self, texts: Mapping[str, str], uploads: Uploads, load: LoadFile) -> ReadInput:
        """The input: the mode, what was typed or chosen, and the files."""
        controls = self.controls or _UNDOCUMENTED_CONTROLS
        reading = ReadInput({}, {})
        if self.selector:
            reading.values[self.selector] = texts.get(self.selector) or self.mode
        for name, field in self.fields.items():
            if name not in controls and texts.get(name):
                try:
                    reading.values[name] = parse_text(texts[name], field)
                except ValueError as error:
                    reading.messages[name] = str(error)
        for name, files in uploads.items():
            if name != ANY_CONTROL and name not in controls:
                reading.values[name] = files[-1]
        _read_files(controls, texts, uploads, load, reading)
        return reading

    def texts_of(self, values: Mapping[str, Any]) -> FormTexts:
        """Divide an input into texts of the controls and further values.

        The texts name files of the input by `input:<n>`.
        """
        texts: dict[str, str] = {}
        further_values = dict(values)
        for name, control in self.controls.items():
            text = control.text_of(further_values)
            if text is None:
                continue
            texts[name] = text
            for field_name in control.names:
                further_values.pop(field_name, None)
        for name, field in self.fields.items():
            if can_be_typed(further_values.get(name, ""), field):
                texts[name] = as_text(further_values.pop(name))
        if isinstance(further_values.get(self.selector), str):
            texts[self.selector] = further_values.pop(self.selector)
        return FormTexts(texts, further_values)


def _read_files(
    controls: Mapping[str, FileControl],
    texts: Mapping[str, str],
    uploads: Uploads,
    load: LoadFile,
    reading: ReadInput,
) -> None:
    """Add the files of all controls to what was read.

    Uploads for any control go to the first that has room; the last control takes what remains.
    """
    uploads_for_any = list(uploads.get(ANY_CONTROL, ()))
    last_name = list(controls)[-1]
    for name, control in controls.items():
        files = control.read(texts.get(name, ""), uploads.get(name, ()), load)
        is_last = name == last_name
        while uploads_for_any and (is_last or len(files) < control.files_max):
            files.append(TimedFile("", uploads_for_any.pop(0)))
        try:
            reading.values.update(control.place(files, reading.values))
        except ValueError as error:
            reading.messages[name] = str(error)
