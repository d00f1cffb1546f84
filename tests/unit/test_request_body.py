"""Request bodies: time to arrive, limits, and long strings that are cut out of JSON."""

import base64
import io
import json
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any

import gevent
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from jobs.domain.errors import BadRequest, BodyTooLarge, Invalid, RequestTimeout
from jobs.input_parts import InputPart, JsonBody, parts_in
from jobs.kept_inputs import FILES_MAX, JSON_MAX_BYTES
from jobs.net import strict_json
from jobs.storage.staging import StagingDirectory
from receiver import long_string_cutter, request_body
from receiver.long_string_cutter import LongStringCutter


class SlowStream(io.BytesIO):
    """Each piece takes a tenth of a second."""

    def read(self, size: int | None = -1) -> bytes:
        gevent.sleep(0.1)
        return super().read(size)


def arrived(length: int) -> int:
    environ = {"CONTENT_LENGTH": str(length), "wsgi.input": SlowStream(bytes(length))}
    return sum(map(len, request_body.read_pieces(environ, length)))


def test_a_longer_body_has_more_time_to_arrive(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request_body, "ARRIVAL_SECONDS", 0.25)
    monkeypatch.setattr(request_body, "PIECE_BYTES", 1000)
    with pytest.raises(RequestTimeout):
        arrived(6000)
    monkeypatch.setattr(request_body, "BYTES_PER_SECOND_MIN", 1000)
    assert arrived(6000) == 6000


def test_a_body_of_unknown_length_is_cut_at_the_limit() -> None:
    environ = {
        "HTTP_TRANSFER_ENCODING": "chunked",
        "wsgi.input_terminated": True,
        "wsgi.input": io.BytesIO(bytes(300_001)),
    }
    with pytest.raises(BodyTooLarge):
        list(request_body.read_pieces(environ, 300_000))
    environ["wsgi.input"] = io.BytesIO(bytes(300_000))
    assert sum(map(len, request_body.read_pieces(environ, 300_000))) == 300_000


SHORT_BYTES = 40  # a string is long from here on in some tests
OpenFile = Callable[[], IO[bytes]]


@pytest.fixture(scope="module")
def staging(tmp_path_factory: pytest.TempPathFactory) -> StagingDirectory:
    return StagingDirectory(tmp_path_factory.mktemp("staging"))


@pytest.fixture
def open_file(staging: StagingDirectory) -> Iterator[OpenFile]:
    with ExitStack() as files:
        yield lambda: files.enter_context(staging.open("upload"))


@pytest.fixture
def cuts_early(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(long_string_cutter, "LONG_BYTES", SHORT_BYTES)
    monkeypatch.setattr(long_string_cutter, "PIECE_BYTES", 7)


def cut(open_file: OpenFile, body: bytes, size: int = 64 * 1024) -> dict[str, Any]:
    """Text that arrives in pieces of this size."""
    cutter = LongStringCutter(open_file)
    for at in range(0, len(body), size):
        cutter.feed(body[at : at + size])
    return cutter.finish()


def restored(staging: StagingDirectory, body: bytes, size: int) -> Any:
    """Text that arrives in pieces of this size, as it is sent to BFL."""
    with ExitStack() as files:
        values = cut(lambda: files.enter_context(staging.open("upload")), body, size)
        paths = {part: part.source for part in parts_in(values)}
        opened = {
            part: files.enter_context(path.open("rb"))
            for part, path in paths.items()
            if isinstance(path, Path)
        }
        return json.loads(b"".join(JsonBody(values, opened)))


NAME = st.text("abcdefgh", max_size=9)
TEXT = st.text(max_size=120) | st.binary(max_size=90).map(lambda b: base64.b64encode(b).decode())
VALUES = st.dictionaries(NAME, TEXT | st.lists(TEXT, max_size=3), max_size=4)


@pytest.mark.usefixtures("cuts_early")
@given(values=VALUES, size=st.integers(1, 50), ascii_only=st.booleans(), slashes=st.booleans())
def test_whatever_was_cut_means_the_same(
    staging: StagingDirectory, values: dict[str, Any], size: int, *, ascii_only: bool, slashes: bool
) -> None:
    text = json.dumps(values, ensure_ascii=ascii_only)
    body = (text.replace("/", "\\/") if slashes else text).encode()
    assert restored(staging, body, size) == values


@pytest.mark.usefixtures("cuts_early")
@example(body=b'{}"')
@given(body=st.binary(max_size=200) | st.text('"\\u0dD8{}:,a', max_size=200).map(str.encode))
def test_it_refuses_what_is_no_json(staging: StagingDirectory, body: bytes) -> None:
    def outcome(parse: Callable[[], Any]) -> Any:
        try:
            return parse()
        except BadRequest:
            return BadRequest

    whole = outcome(lambda: strict_json.load_object(body))
    assert outcome(lambda: restored(staging, body, 11)) in (whole, BadRequest)


def image(size: int) -> tuple[bytes, str]:
    body = b"\xff\xd8\xff" + os.urandom(size)
    return body, base64.b64encode(body).decode()


@pytest.mark.parametrize("prefix", ["", "data:image/jpeg;base64,"])
@pytest.mark.parametrize("escape", ["/", "\\/", "\\u002f"])
def test_an_image_is_stored_as_bytes(open_file: OpenFile, prefix: str, escape: str) -> None:
    raw, encoded = image(200_001)
    body = f'{{"input": {{"image": "{(prefix + encoded).replace("/", escape)}", "n": 1}}}}'.encode()
    fields = cut(open_file, body)
    part = fields["input"]["image"]
    assert isinstance(part, InputPart) and isinstance(part.source, Path)
    assert (part.encoding, part.content_type) == ("input", "image/jpeg")
    assert part.source.read_bytes() == raw and fields["input"]["n"] == 1


@pytest.mark.parametrize(
    "spoil", [lambda t: t[:-1], lambda t: t[:99] + "=" + t[100:], lambda t: t + " "]
)
def test_what_is_no_base64_is_text(open_file: OpenFile, spoil: Callable[[str], str]) -> None:
    text = spoil(image(100_000)[1])
    part = cut(open_file, json.dumps({"a": text}).encode())["a"]
    assert part.encoding == "text" and part.source.read_text() == text


@pytest.mark.parametrize(
    "bad",
    [b"\xff", b"\xc3", b"\\ud800", b"\\udc00", b"\\ud800\\u0041", b"\\x", b"\\u12", b"\n", b"\\u"],
)
@pytest.mark.parametrize("at", [0, 65_530, 65_536, 90_000])
def test_an_invalid_long_text_is_refused(open_file: OpenFile, bad: bytes, at: int) -> None:
    text = b" " * 90_000
    with pytest.raises(BadRequest):
        cut(open_file, b'{"a": "' + text[:at] + bad + text[at:] + b'"}')


def test_two_pieces_of_base64_after_one_another_are_text(open_file: OpenFile) -> None:
    """The padding of the first ends with the first piece."""
    text = base64.b64encode(bytes(49_151)).decode() + image(300)[1]
    assert text.index("=") == long_string_cutter.PIECE_BYTES - 1
    part = cut(open_file, json.dumps({"a": text}).encode())["a"]
    assert part.encoding == "text" and part.source.read_text() == text


def test_more_long_strings_than_an_input_may_have_are_refused(open_file: OpenFile) -> None:
    most = [b'"' + b"a" * 70_000 + b'"'] * FILES_MAX
    assert len(cut(open_file, b'{"a": [' + b", ".join(most) + b"]}")["a"]) == FILES_MAX
    with pytest.raises(BadRequest, match="too long"):  # a name
        cut(open_file, b'{"' + b"a" * 70_000 + b'": 1}')
    with pytest.raises(BodyTooLarge):  # nothing but long strings may be long
        cut(open_file, b"[" + b'"", ' * JSON_MAX_BYTES)
    with pytest.raises(Invalid):
        cut(open_file, b'{"a": [' + b", ".join([*most, most[0]]) + b"]}")
