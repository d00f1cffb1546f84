"""A form as a browser sends it: as it opens, without a script, and with a pasted file."""

from html.parser import HTMLParser

PASTE = """encoded => {
    const bytes = Uint8Array.from(atob(encoded), letter => letter.charCodeAt(0));
    const clipboardData = new DataTransfer();
    clipboardData.items.add(new File([bytes], "pasted.png", { type: "image/png" }));
    document.dispatchEvent(new ClipboardEvent("paste", { clipboardData, bubbles: true }));
}"""


class FormPage(HTMLParser):
    """`fields` are what the form with this id holds as it opens, `files` its file inputs."""

    def __init__(self, page: str, form_id: str) -> None:
        super().__init__()
        self.fields: dict[str, str] = {}
        self.files: list[str] = []
        self._form_id, self._inside = form_id, False
        self._textarea = self._select = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        name, value = given.get("name") or "", given.get("value") or ""
        if tag == "form":
            self._inside = given.get("id") == self._form_id
        elif self._inside and tag == "textarea":
            self._textarea = name
            self.fields[name] = ""
        elif self._inside and tag == "select":
            self._select = name
        elif self._inside and tag == "option" and self._select:
            if "selected" in given or self._select not in self.fields:
                self.fields[self._select] = value
        elif self._inside and tag == "input" and name:
            self._input(given, name, value)

    def _input(self, given: dict[str, str | None], name: str, value: str) -> None:
        if given.get("type") == "file":
            self.files.append(name)
        elif given.get("type") not in ("radio", "checkbox") or "checked" in given:
            self.fields[name] = value

    def handle_data(self, data: str) -> None:
        if self._textarea:
            self.fields[self._textarea] += data

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._inside = False
        elif tag == "textarea":
            self._textarea = ""
        elif tag == "select":
            self._select = ""
