"""Reading a request body: time to arrive, and the limit of its length."""

import io

import gevent
import pytest

from jobs.domain.errors import BodyTooLarge, RequestTimeout
from receiver import request_body


class SlowStream(io.BytesIO):
    """Each piece takes a tenth of a second."""

    def read(self, size: int | None = -1) -> bytes:
        gevent.sleep(0.1)
        return super().read(size)


def arrived(length: int) -> int:
    environ = {"CONTENT_LENGTH": str(length), "wsgi.input": SlowStream(bytes(length))}
    return sum(map(len, request_body.pieces(environ, length)))


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
        list(request_body.pieces(environ, 300_000))
    environ["wsgi.input"] = io.BytesIO(bytes(300_000))
    assert sum(map(len, request_body.pieces(environ, 300_000))) == 300_000
