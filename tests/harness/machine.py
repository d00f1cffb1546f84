"""One of several machines: its own copy of the program, its own directories and its own wires."""

import shutil
from pathlib import Path
from typing import Self

from deploy.procfile import ROOT
from tests.harness.installation import Installation
from tests.harness.redis_server import RedisServer
from tests.harness.s3_server import TestBucket
from tests.harness.tcp_proxy import TcpProxy

PROGRAM = ("jobs", "receiver", "worker", "deploy")


class Machine(Installation):
    """Reaches Redis and the bucket only over cables that can be pulled out."""

    def __init__(
        self, directory: Path, redis: RedisServer, bucket: TestBucket, sandbox_url: str
    ) -> None:
        self.program = directory / "program"
        for package in PROGRAM:
            shutil.copytree(ROOT / package, self.program / package)
        super().__init__(directory, redis, sandbox_url)
        self.code = self.program
        self.keep_in(bucket)
        self.cables = (TcpProxy(redis.port), TcpProxy(bucket.server.port))
        to_redis, to_bucket = self.cables
        self.settings["REDIS_URL"] = redis.url_through(to_redis.port)
        self.settings["AWS_ENDPOINT_URL"] = to_bucket.url

    def cut_off(self) -> None:
        for cable in self.cables:
            cable.refuse()

    def reconnect(self) -> None:
        for cable in self.cables:
            cable.pass_on()

    @property
    def left_behind(self) -> list[Path]:
        """Files that were staged and are still there."""
        return list((self.directory / "tmp").glob("fluxkeep-*/*"))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
        for cable in self.cables:
            cable.close()
