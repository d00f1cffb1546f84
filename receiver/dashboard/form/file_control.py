"""Controls for files: each is one field of BFL's, or numbered fields that are filled in order.

The text of a control has a file on each line: a URL or base64, `input:<n>` for a file of the job
that is repeated, `file:<n>` for the n-th upload of the control. Where files have times, the line
begins with the seconds. Uploads that no line names follow.
"""

import re
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from itertools import count
from math import inf
from typing import Any, NamedTuple

from jobs.bfl.model_schemas import InputField
from receiver.dashboard.form.field_text import as_text, parse_text

_TIMED_LINE = re.compile(r"(?P<seconds>[0-9]{1,9}(?:\.[0-9]{1,9})?)\s+(?P<content>\S+)", re.ASCII)

LoadFile = Callable[[str], Any]  # the file that `input:<n>` names; None for any other text


class TimedFile(NamedTuple):
    """A file, and its place in the video as typed; empty for a file without a time."""

    seconds: str
    content: Any


class FileControl(NamedTuple):
    """A control for files and the names of the fields that it fills, in order."""

    field: InputField
    names: tuple[str, ...]

    @property
    def files_max(self) -> float:
        if self.field.is_list:
            return inf
        return len(self.names)

    def read(self, text: str, uploads: Iterable[Any], load: LoadFile) -> list[TimedFile]:
        """The files of the text's lines, then the uploads that no line names."""
        unnamed_uploads = {f"file:{n}": upload for n, upload in enumerate(uploads)}
        files: list[TimedFile] = []
        for untrimmed_line in text.splitlines():
            line = untrimmed_line.strip()
            if line:
                files.append(self._read_line(line, unnamed_uploads, load))
        for upload in unnamed_uploads.values():
            files.append(TimedFile("", upload))
        return files

    def _read_line(self, line: str, unnamed_uploads: dict[str, Any], load: LoadFile) -> TimedFile:
        """The file of one line. An upload that the line names leaves the unnamed ones."""
        seconds = ""
        content = line
        if self.field.is_timed:
            timed_line = _TIMED_LINE.fullmatch(line)
            if timed_line:
                seconds = timed_line["seconds"]
                content = timed_line["content"]
        if content in unnamed_uploads:
            return TimedFile(seconds, unnamed_uploads.pop(content))
        loaded = load(content)
        if loaded is not None:
            return TimedFile(seconds, loaded)
        return TimedFile(seconds, parse_text(content, self.field))

    def place(self, files: Sequence[TimedFile], taken: Container[str]) -> dict[str, Any]:
        """The files as values of fields that are not taken. Raises ValueError."""
        if any(file.seconds for file in files):
            return self._place_with_times(files)
        if self.files_max == 1 and len(files) > 1:
            raise ValueError("Give one: a file or a URL.")
        contents = [file.content for file in files]
        if self.field.is_list:
            if not contents:
                return {}
            return {self.names[0]: contents}
        values = {}
        for content, name in zip(contents, self._free_names(taken), strict=False):
            values[name] = content
        return values

    def _place_with_times(self, files: Sequence[TimedFile]) -> dict[str, Any]:
        if not all(file.seconds for file in files):
            raise ValueError("Give each file its time in seconds, or none.")
        return {self.names[0]: [[float(file.seconds), file.content] for file in files]}

    def _free_names(self, taken: Container[str]) -> Iterator[str]:
        """The control's fields that are not taken, then fields of the next numbers without end.

        BFL may take more files than its document lists.
        """
        for name in self.names:
            if name not in taken:
                yield name
        for number in count(len(self.names) + 1):
            further_name = f"{self.names[0]}_{number}"
            if further_name not in taken:
                yield further_name

    def text_of(self, values: Mapping[str, Any]) -> str | None:
        """The text that makes the files of an input; None if no text does."""
        contents = [values[name] for name in self.names if name in values]
        # A list field has all its files in one value; a pair of seconds and file is one file.
        if contents and isinstance(contents[0], list) and not as_text(contents[0]):
            contents = contents[0]
        lines = [as_text(content) for content in contents]
        if not all(lines):
            return None
        return "\n".join(lines)
