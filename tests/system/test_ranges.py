"""A range request reads no more of a large file than the range."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from jobs.config import settings
from jobs.services import for_web
from jobs.storage.local import LocalStorage
from receiver import create_app
from tests.harness import Stack

SIZE_BYTES = 20_000_000
MIDDLE = "bytes=9000000-9999999"


class Asked(LocalStorage):
    """A directory read like a bucket, which records the reads."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.spans: list[tuple[int, int | None]] = []

    def local_path(self, key: str) -> None:
        """No local path, as in a bucket."""

    def read(self, key: str, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        self.spans.append((start, stop))
        return super().read(key, start, stop)


@pytest.fixture(scope="module")
def link(stack: Stack) -> str:
    task = stack.generate("flux-3-video", format="mp4", size=SIZE_BYTES)
    return str(stack.client.wait_for(task.id, "stored")["media"][0]["url"])


def test_a_bucket_is_asked_for_a_range_and_for_nothing_after_it(stack: Stack, link: str) -> None:
    variables = {name: value for name, value in stack.installation.settings.items() if value}
    services = for_web(settings.load(variables))
    services.storage = media = Asked(stack.installation.media)
    browser = create_app(services).test_client()
    answer = browser.get(link.removeprefix(stack.installation.url), headers={"Range": MIDDLE})
    assert answer.status_code == 206 and len(answer.data) == 1_000_000
    assert media.spans == [(9_000_000, 10_000_000)]
