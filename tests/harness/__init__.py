"""Test environment: a real Redis, the Procfile's processes, and faults between them."""

from tests.harness.client import Client
from tests.harness.installation import Installation
from tests.harness.invariants import check
from tests.harness.process import Process
from tests.harness.redis_server import RedisServer
from tests.harness.s3_server import RcloneServer, S3Server, TestBucket
from tests.harness.tcp_proxy import TcpProxy

__all__ = [
    "Client",
    "Installation",
    "Process",
    "RcloneServer",
    "RedisServer",
    "S3Server",
    "TcpProxy",
    "TestBucket",
    "check",
]
