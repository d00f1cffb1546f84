"""A reader of Server-Sent Events, by the rules of the HTML standard, on a thread of its own."""

import json
import threading
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import requests

from tests.harness.closing import Closing
from tests.harness.patience import wait_for


class Seen(NamedTuple):
    """One event that was dispatched."""

    name: str
    id: str
    data: Any


class Watcher(Closing):
    """Reads one stream until it ends. `last_id` is what a browser would resume with."""

    def __init__(
        self,
        url: str,
        key: str,
        last_id: str | None = None,
        headers: Mapping[str, str] = MappingProxyType({}),
        **query: str,
    ) -> None:
        headers = {"x-key": key, "Accept": "text/event-stream", **headers}
        if last_id:
            headers["Last-Event-ID"] = last_id
        self.seen: list[Seen] = []
        self.comments: list[str] = []
        self.last_id = last_id or ""
        self.ended = threading.Event()
        self.broken = False
        self.answer = requests.get(url, headers=headers, params=query, stream=True, timeout=60)
        threading.Thread(target=self._read, name="watcher", daemon=True).start()
        if self.answer.ok and self.answer.status_code != requests.codes.no_content:
            wait_for("the stream begins", lambda: self.last_id or self.ended.is_set())

    @property
    def local_port(self) -> int:
        """The port of our end of its connection, while it is open."""
        connection: Any = self.answer.raw.connection
        port: int = connection.sock.getsockname()[1]
        return port

    def wait_for(self, count: int, timeout: float = 20.0) -> list[Seen]:
        wait_for(f"{count} events", lambda: len(self.seen) >= count, timeout)
        return self.seen

    def statuses(self, job_id: str) -> list[str]:
        jobs = (event.data for event in self.seen if event.name == "job")
        return [job["status"] for job in jobs if job["id"] == job_id]

    def wait_for_job(self, job_id: str, status: str, change: str) -> list[Seen]:
        """The events of a job in this status, once one of them has this change."""

        def found() -> list[Seen]:
            jobs = [event for event in self.seen if event.name == "job"]
            return [one for one in jobs if (one.data["id"], one.data["status"]) == (job_id, status)]

        wait_for(change, lambda: any(event.data.get("change") == change for event in found()))
        return [event for event in found() if event.data["change"] != "details"]

    def close(self) -> None:
        if not self.ended.is_set():
            self.answer.raw.shutdown()  # else closing waits for the reader, and it for a heartbeat
        self.answer.close()

    def _read(self) -> None:
        try:
            for block in self._blocks():
                self._take(block)
        except (requests.RequestException, OSError, AttributeError):
            self.broken = True  # cut, or closed by the test
        finally:
            self.ended.set()

    def _blocks(self) -> Iterator[list[str]]:
        """Split the stream into events; drop an event without its final empty line."""
        text = ""
        for chunk in self.answer.iter_content(chunk_size=None):
            *whole, text = (text + chunk.decode()).split("\n\n")
            yield from (block.split("\n") for block in whole)

    def _take(self, lines: list[str]) -> None:
        name, data = "message", []
        for line in lines:
            field, _, value = line.partition(":")
            value = value.removeprefix(" ")
            if not field:
                self.comments.append(value)
            elif field == "event":
                name = value
            elif field == "data":
                data.append(value)
            elif field == "id":
                self.last_id = value
        if data:
            self.seen.append(Seen(name, self.last_id, json.loads("\n".join(data))))
