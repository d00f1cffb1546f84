"""An S3 server whose listings are odd: it stands before a real one and answers lists itself."""

import random
import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit
from xml.etree import ElementTree as ET
from xml.sax.saxutils import escape

import requests

from tests.harness.closing import Closing
from tests.harness.s3_server import S3Server, TestBucket

NAMESPACE = "{http://s3.amazonaws.com/doc/2006-03-01/}"


@dataclass
class Oddities:
    """What is odd about the lists of a server."""

    ignores_start_after: bool = False
    order: str = "sorted"  # or "reversed", "shuffled"
    page_keys: int = 1000
    repeats_keys: bool = False  # the last key of a page is the first of the next one
    has_empty_pages: bool = False
    quotes_keys: bool = False  # as for `encoding-type=url`, for which nobody asked
    last_modified: str = "2001-01-01T00:00:00.000Z"
    hides: frozenset[str] = frozenset()  # not listed yet, by parts of keys
    refusal: tuple[int, str] | None = None  # status and code of each write


class OddS3Server(Closing):
    """Passes everything on except lists. `bucket` is one that leads through it."""

    def __init__(self, server: S3Server, oddities: Oddities) -> None:
        self.server, self.oddities = server, oddities
        self.lists = 0
        odd = self

        class Handler(_Handler):
            odd_server = odd

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._http.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._http.server_address[1]}"

    @property
    def variables(self) -> dict[str, str]:
        return {**self.server.variables, "AWS_ENDPOINT_URL": self.url}

    def bucket(self, name: str) -> TestBucket:
        return self.server.bucket(name)

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()

    def list_page(self, bucket: str, query: dict[str, str]) -> str:
        """The XML of one page; the token is the position of its first key and of empty pages."""
        self.lists += 1
        odd, prefix = self.oddities, query.get("prefix", "")
        objects = self._objects(bucket, prefix)
        if not odd.ignores_start_after:
            after = query.get("start-after", "")
            objects = [each for each in objects if each[0] > after]
        if odd.order == "reversed":
            objects.reverse()
        if odd.order == "shuffled":
            random.Random(len(objects)).shuffle(objects)
        first, _, is_second = query.get("continuation-token", "0-").partition("-")
        start = int(first)
        stop = start + odd.page_keys
        if odd.has_empty_pages and not is_second:
            return _page(bucket, prefix, [], f"{start}-again", odd)
        shown = objects[max(start - 1, 0) if odd.repeats_keys else start : stop]
        token = f"{stop}-" if stop < len(objects) else ""
        return _page(bucket, prefix, shown, token, odd)

    def _objects(self, bucket: str, prefix: str) -> list[tuple[str, int]]:
        """All objects below a prefix, in order, with their sizes."""
        objects, token = list[tuple[str, int]](), ""
        while True:
            query = {"list-type": "2", "prefix": prefix}
            if token:
                query["continuation-token"] = token
            answer = requests.get(f"{self.server.url}/{bucket}", query, timeout=30)
            root = ET.fromstring(answer.content)  # noqa: S314 - of our own server
            for entry in root.iter(f"{NAMESPACE}Contents"):
                key = entry.findtext(f"{NAMESPACE}Key", "")
                if not any(part in key for part in self.oddities.hides):
                    objects.append((key, int(entry.findtext(f"{NAMESPACE}Size", "0"))))
            token = root.findtext(f"{NAMESPACE}NextContinuationToken", "")
            if not token:
                return sorted(objects)


def _page(
    bucket: str, prefix: str, objects: list[tuple[str, int]], token: str, odd: Oddities
) -> str:
    entries = ""
    for key, size in objects:
        name = quote(key, safe="") if odd.quotes_keys else escape(key)
        modified = f"<LastModified>{odd.last_modified}</LastModified>"
        entries += f"<Contents><Key>{name}</Key>{modified}<ETag>&quot;1&quot;</ETag>"
        entries += f"<Size>{size}</Size><StorageClass>STANDARD</StorageClass></Contents>"
    more = f"<NextContinuationToken>{token}</NextContinuationToken>" if token else ""
    return (
        '<?xml version="1.0" encoding="UTF-8"?>'
        '<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
        f"<Name>{bucket}</Name><Prefix>{escape(prefix)}</Prefix>"
        f"<KeyCount>{len(objects)}</KeyCount><MaxKeys>{odd.page_keys}</MaxKeys>"
        f"<IsTruncated>{'true' if token else 'false'}</IsTruncated>{more}{entries}"
        "</ListBucketResult>"
    )


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    odd_server: Any

    def answer(self) -> None:
        url = urlsplit(self.path)
        query = {name: values[-1] for name, values in parse_qs(url.query).items()}
        if self.command == "GET" and "list-type" in query:
            body = self.odd_server.list_page(url.path.strip("/"), query).encode()
            self._send(200, {"Content-Type": "application/xml"}, body)
            return
        length = int(self.headers.get("Content-Length", 0))
        refusal = self.odd_server.oddities.refusal
        if refusal and self.command in ("PUT", "POST"):
            self.rfile.read(length)
            status, code = refusal
            body = f"<Error><Code>{code}</Code><Message>no</Message></Error>".encode()
            self._send(status, {"Content-Type": "application/xml"}, body)
            return
        headers = {name: value for name, value in self.headers.items() if name != "Host"}
        answer = requests.request(
            self.command,
            f"{self.odd_server.server.url}{self.path}",
            data=self.rfile.read(length),
            headers=headers,
            timeout=60,
        )
        kept = ("content-type", "etag", "last-modified", "content-range", "accept-ranges")
        passed = {name: value for name, value in answer.headers.items() if name.lower() in kept}
        if self.command == "HEAD":
            passed["Content-Length"] = answer.headers.get("Content-Length", "0")
        self._send(answer.status_code, passed, answer.content)

    def _send(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if "Content-Length" not in headers and status != 204:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


for _method in ("GET", "PUT", "POST", "DELETE", "HEAD"):
    setattr(_Handler, f"do_{_method}", _Handler.answer)
