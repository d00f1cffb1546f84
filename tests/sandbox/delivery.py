"""Delivery of media under signed URLs, as by Azure blob storage, with faults by switch."""

import re
import time
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import replace
from email.utils import formatdate
from itertools import chain, repeat
from typing import NamedTuple

from werkzeug.http import parse_range_header

from tests.sandbox.answers import Answer, Ending
from tests.sandbox.engine import Engine
from tests.sandbox.errors import expired, refusal
from tests.sandbox.links import Link
from tests.sandbox.media import BLOCK, Media, media_of
from tests.sandbox.observations import Delivery, Request
from tests.sandbox.switches import Switches, nth_fault
from tests.sandbox.task import Task

HOP = re.compile(r"/hop([0-9])")
FAULTS = ("delivery_500", "reset", "short_body", "wrong_md5")
TEBIBYTE = 2**40
WRONG_MD5 = "AAAAAAAAAAAAAAAAAAAAAA=="


class Span(NamedTuple):
    """From `start` up to but not including `stop`."""

    start: int
    stop: int
    partial: bool


def deliver(engine: Engine, request: Request) -> Answer:
    hop, target = _without_hop(request.target)
    request = replace(request, target=target)
    link = engine.store.link_at(request.path)
    if link is None:
        return Answer.text(404, b"The specified blob does not exist.", "text/plain")
    task = engine.store.find(link.task_id)
    if task and task.host != request.host:  # a cluster delivers its own files alone
        return Answer.text(404, b"The specified blob does not exist.", "text/plain")
    if task and hop < task.switches.redirect_hops:
        return redirection(f"{engine.origin_of(task)}/hop{hop + 1}{target}")
    return _observed(engine, link.task_id, _decide(engine, request))


def _without_hop(target: str) -> tuple[int, str]:
    """The number of redirects so far, and the target without it."""
    found = HOP.match(target)
    return (int(found[1]), target[found.end() :]) if found else (0, target)


def redirection(location: str) -> Answer:
    return Answer(302, {"Location": location, "Content-Length": "0"})


def _observed(engine: Engine, task_id: str, answer: Answer) -> Answer:
    delivery = Delivery(time.time(), answer.status)
    engine.store.change(task_id, lambda task: task.deliveries.append(delivery))

    def count(sent: int) -> None:
        delivery.sent += sent

    def end() -> None:
        delivery.over = True

    return replace(answer, sent=count, over=end)


def _decide(engine: Engine, request: Request) -> Answer:
    if request.has_key and engine.settings.delivery_refuses_keys:
        return Answer.text(400, b"An API key has no business here.", "text/plain")
    link = engine.store.find_link(request.target)
    if link is None or link.expired(time.time()):
        return expired()
    task = engine.store.find(link.task_id)
    if task is None:
        return expired()
    switches = task.switches
    attempt = engine.store.next_try(task.id)
    fault = nth_fault(switches, FAULTS, attempt)
    answer = _serve(task, link, request, fault, attempt)
    return replace(
        answer, pause=switches.hang, head_pace=switches.drip_headers, body_pace=switches.drip
    )


def _serve(task: Task, link: Link, request: Request, fault: str | None, attempt: int) -> Answer:
    switches = task.switches
    if fault == "delivery_500":
        return refusal(500)
    times = switches.delivery_status_times
    is_early = attempt < switches.delivery_status_from
    is_over = times is not None and attempt >= times
    if switches.delivery_status is not None and not is_early and not is_over:
        return Answer.text(switches.delivery_status, b"as the task wants it", "text/plain")
    if switches.redirect is not None:
        return redirection(switches.redirect)
    media = media_of(task, link.n)
    span = _span(request.headers.get("range"), media.size)
    if span is None:
        return Answer(416, {"Content-Range": f"bytes */{media.size}", "Content-Length": "0"})
    headers = _headers(task, media, span, fault)
    body = _body(switches, media, span, fault)
    return Answer(206 if span.partial else 200, headers, body, ending=_ending(switches, fault))


def _span(header: str | None, size: int) -> Span | None:
    """The whole for a header that is missing or odd; None for one that cannot be satisfied."""
    asked = parse_range_header(header)
    if asked is None or asked.units != "bytes":
        return Span(0, size, partial=False)
    found = asked.range_for_length(size)
    return found and Span(*found, partial=True)


def _headers(task: Task, media: Media, span: Span, fault: str | None) -> dict[str, str]:
    switches = task.switches
    length = TEBIBYTE if switches.too_large else span.stop - span.start
    headers = {
        "Server": "Windows-Azure-Blob/1.0 Microsoft-HTTPAPI/2.0",
        "Content-Type": switches.content_type or media.content_type,
        "ETag": f'"0x{media.md5.encode().hex()[:15].upper()}"',
        "Last-Modified": formatdate(task.finished_at, usegmt=True),
        "Accept-Ranges": "bytes",
    }
    if span.partial:
        headers["Content-Range"] = f"bytes {span.start}-{span.stop - 1}/{media.size}"
    elif not (switches.no_md5 or switches.too_large):
        headers["Content-MD5"] = WRONG_MD5 if fault == "wrong_md5" else media.md5
    if switches.gzip:
        headers["Content-Encoding"] = "gzip"
    elif not switches.no_length:
        headers["Content-Length"] = str(length)
    return headers | switches.delivery_headers


def _body(switches: Switches, media: Media, span: Span, fault: str | None) -> Iterable[bytes]:
    # Cut in the middle: the head and a good part arrive before the connection ends.
    broken = fault in ("short_body", "reset")
    stop = (span.start + span.stop) // 2 if broken else span.stop
    body: Iterable[bytes] = media.read(span.start, stop)
    if switches.too_large:
        body = chain(body, repeat(bytes(BLOCK)))
    return _gzipped(body, whole=not broken) if switches.gzip else body


def _gzipped(body: Iterable[bytes], *, whole: bool) -> Iterator[bytes]:
    packer = zlib.compressobj(wbits=31)
    yield from map(packer.compress, body)
    yield packer.flush(zlib.Z_FINISH if whole else zlib.Z_SYNC_FLUSH)


def _ending(switches: Switches, fault: str | None) -> Ending:
    if fault == "reset":
        return Ending.RESET
    closes = fault == "short_body" or switches.no_length or switches.gzip
    return Ending.CLOSE if closes else Ending.KEEP
