"""Effect of stalled clients by gunicorn's worker class, without a proxy. Takes half a minute."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from tests.bench import load
from tests.bench.environment import BenchEnvironment, bench_environment

STALLED = 300
SECONDS = 4
CLASSES = {
    "gevent": "--worker-class gevent",
    "gthread, 16 threads": "--worker-class gthread --threads 16",
    "gthread, 64 threads": "--worker-class gthread --threads 64",
}
INCOMPLETE_CALLBACK = b'POST /webhooks/bfl HTTP/1.1\r\nHost: x\r\nContent-Length: 500\r\n\r\n{"id":'


def main() -> None:
    print(f"| worker class | callbacks/s | p99 ms | with {STALLED} stalled: callbacks/s | p99 ms |")
    print("|---|---|---|---|---|")
    with bench_environment() as bench:
        for name, arguments in CLASSES.items():
            with bench.web(GUNICORN_CMD_ARGS=arguments) as web:
                alone = _measured(bench, web.url)
                with stalled(web.url):
                    print(f"| {name} | {alone} | {_measured(bench, web.url)} |", flush=True)


def _measured(bench: BenchEnvironment, url: str) -> str:
    found = load.run(url, bench.callbacks(), seconds=SECONDS)
    return f"{found.rate:,.0f} | {found.p99:.1f}"


@contextmanager
def stalled(url: str) -> Iterator[None]:
    """Connections with an incomplete callback."""
    parts = urlsplit(url)
    address = parts.hostname or "", parts.port or 80
    clients = [socket.create_connection(address) for _ in range(STALLED)]
    try:
        for client in clients:
            client.sendall(INCOMPLETE_CALLBACK)
        yield
    finally:
        for client in clients:
            client.close()
