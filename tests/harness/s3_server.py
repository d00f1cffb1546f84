"""A real S3-compatible server for tests: moto in a process of its own, on a loopback port."""

import os
import sys
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

import obstore
import requests
from obstore.store import S3Store

from tests.harness.patience import wait_for
from tests.harness.ports import free_port
from tests.harness.process import Process

PAGE_KEYS = 100  # of a listing; a real server has a thousand
CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "s3-key-id",
    "AWS_SECRET_ACCESS_KEY": "s3-secret-canary-77c1",
    "AWS_REGION": "us-east-1",
}


class S3Server:
    """Started at once. With `strict` it knows no key at all, so that every one is wrong."""

    def __init__(self, directory: Path, *, strict: bool = False) -> None:
        self.port = free_port()
        self.log = directory / "s3.log"
        self._directory = directory
        self._strict = {"INITIAL_NO_AUTH_ACTION_COUNT": "0"} if strict else {}
        self.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def variables(self) -> dict[str, str]:
        return {**CREDENTIALS, "AWS_ENDPOINT_URL": self.url}

    def start(self) -> None:
        """It keeps all in memory: what it had is gone."""
        paging = {"MOTO_S3_DEFAULT_MAX_KEYS": str(PAGE_KEYS)}
        environment = {"PATH": str(Path(sys.executable).parent), **paging, **self._strict}
        self.process = Process("s3", self._command(), environment, self.log, self._directory)
        wait_for("the S3 server", self._answers, 30)

    def _command(self) -> list[str]:
        return [_program("moto_server"), "-H", "127.0.0.1", "-p", str(self.port)]

    def _answers(self) -> bool:
        if not self.process.alive:
            raise RuntimeError(f"it has ended: {self.log.read_text()[-2000:]}")
        try:
            requests.get(self.url, timeout=30)
        except requests.RequestException:
            return False
        return True

    def bucket(self, name: str) -> "TestBucket":
        """A new bucket, or the one that was made before."""
        requests.put(f"{self.url}/{name}", timeout=30)
        return TestBucket(self, name)

    def close(self) -> None:
        self.process.kill_all()


class RcloneServer(S3Server):
    """A server of S3's protocol that ignores `If-None-Match` and keeps files in a directory."""

    def bucket(self, name: str) -> "TestBucket":
        (self._root / name).mkdir(parents=True, exist_ok=True)
        return TestBucket(self, name)

    @property
    def _root(self) -> Path:
        return self._directory / "rclone"

    def _command(self) -> list[str]:
        self._root.mkdir(exist_ok=True)
        key = f"{CREDENTIALS['AWS_ACCESS_KEY_ID']},{CREDENTIALS['AWS_SECRET_ACCESS_KEY']}"
        listen = ("--addr", f"127.0.0.1:{self.port}", "--auth-key", key, "--config", os.devnull)
        return [_program("rclone"), "serve", "s3", *listen, str(self._root)]


def _program(name: str) -> str:
    return str(Path(sys.executable).with_name(name))


class TestBucket:
    """Content of a bucket, read without Fluxkeep."""

    __test__ = False

    def __init__(self, server: S3Server, name: str, prefix: str = "kept/here") -> None:
        self.server, self.name, self.prefix = server, name, prefix
        self.store = S3Store(
            name,
            prefix=prefix,
            endpoint=server.url,
            access_key_id=CREDENTIALS["AWS_ACCESS_KEY_ID"],
            secret_access_key=CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
            region=CREDENTIALS["AWS_REGION"],
            client_options={"allow_http": True},
        )

    @property
    def url(self) -> str:
        return f"s3://{self.name}/{self.prefix}"

    @property
    def settings(self) -> dict[str, str]:
        return {"MEDIA_URL": self.url, **self.server.variables}

    def sizes(self) -> dict[str, int]:
        return {meta["path"]: meta["size"] for page in obstore.list(self.store) for meta in page}

    def read(self, key: str) -> bytes:
        return bytes(obstore.get(self.store, key).bytes())

    def replace(self, key: str, body: bytes) -> None:
        obstore.put(self.store, key, body)

    def remove(self, key: str) -> None:
        obstore.delete(self.store, key)

    def headers(self, key: str) -> Mapping[str, str]:
        """Response headers of an object."""
        url = obstore.sign(self.store, "HEAD", key, timedelta(seconds=60))
        return requests.head(url, timeout=30).headers

    def unfinished_uploads(self) -> str:
        """Unfinished multipart uploads, as the server lists them."""
        return requests.get(f"{self.server.url}/{self.name}?uploads", timeout=30).text
