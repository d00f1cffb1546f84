"""Deliveries whose head and body contradict each other, where no library would say a word."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from jobs.errors import TransferFailed
from jobs.net import http_client
from tests.harness.delivery_host import JPEG, DeliveryHost, chunked, md5
from tests.harness.raw_server import RawServer


@pytest.fixture
def host(tmp_path: Path) -> Iterator[DeliveryHost]:
    server = RawServer()
    with http_client.create_session(server.origin) as session:
        yield DeliveryHost(server, session, tmp_path)
    server.close()


@pytest.mark.parametrize("off_by", [-1, 1, 1000])
def test_a_length_that_the_chunks_contradict_is_a_failed_transfer(
    host: DeliveryHost, off_by: int
) -> None:
    host.serves(
        chunked(JPEG) + b"0\r\n\r\n",
        Content_Length=len(JPEG) + off_by,
        Transfer_Encoding="chunked",
        Content_MD5=md5(JPEG),
    )
    host.fails(TransferFailed, "bytes arrived")


def test_a_length_that_is_too_small_is_a_failed_transfer(host: DeliveryHost) -> None:
    for length in (len(JPEG) - 1, len(JPEG) // 2):
        host.serves(JPEG, Content_Length=length)
        host.fails(TransferFailed, "breaks off")
        host.path.unlink()


def test_a_md5_of_more_than_was_announced_is_a_failed_transfer(host: DeliveryHost) -> None:
    host.serves(JPEG, Content_Length=len(JPEG) - 1, Content_MD5=md5(JPEG))
    host.fails(TransferFailed, "Content-MD5")
