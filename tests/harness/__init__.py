"""Test environment: a real Redis, the Procfile's processes, and faults between them."""

from tests.harness.client import Client
from tests.harness.command_line import CommandLine
from tests.harness.installation import DEFAULTS, KEYS, WEBHOOK_SECRET, Installation
from tests.harness.installation_state import all_jobs
from tests.harness.invariants import assert_invariants
from tests.harness.patience import SLOWEST, wait_for, wait_for_none
from tests.harness.ports import free_port
from tests.harness.postgres_server import PostgresServer
from tests.harness.process import Process
from tests.harness.redis_server import RedisServer
from tests.harness.s3_server import RcloneServer, S3Server, TestBucket
from tests.harness.stack import Stack, running_stack, stopped_stack, without_links
from tests.harness.tcp_proxy import TcpProxy
