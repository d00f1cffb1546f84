"""Trap for SSRF: a loopback port without visitors, and URLs that lead to it."""

import contextlib
import socket
import threading
from types import TracebackType
from typing import Self

_ANSWER = (
    b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nContent-Type: image/jpeg\r\n\r\n\xff\xd8\xff\xe0"
)


class Trap:
    """Listener on the IPv4 and, if present, the IPv6 loopback, which records connections."""

    def __init__(self) -> None:
        self.visits: list[bytes] = []
        listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = listener.getsockname()[1]
        self._listeners = [listener]
        with contextlib.suppress(OSError):
            address = ("::1", self.port)
            self._listeners.append(socket.create_server(address, family=socket.AF_INET6))
        for each in self._listeners:
            threading.Thread(target=self._watch, args=(each,), name="trap", daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for listener in self._listeners:
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            listener.close()

    def _watch(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                visitor, _ = listener.accept()
                with visitor:
                    visitor.settimeout(1)
                    self.visits.append(visitor.recv(4096) or b"(nothing)")
                    visitor.sendall(_ANSWER)


def spellings(port: int, own: int) -> dict[str, str]:
    """Spellings of this machine with a port; `own` is the sandbox's port, which is allowed."""
    hosts = {
        "IPv4": "127.0.0.1",
        "another loopback address": "127.8.9.10",
        "name": "localhost",
        "name with a dot": "localhost.",
        "name in capitals": "LOCALHOST",
        "long name": "localhost.localdomain",
        "below the name": "delivery-eu1.bfl.ai.localhost",
        "any address": "0.0.0.0",  # noqa: S104 - said in a URL, not bound
        "nought": "0",
        "short": "127.1",
        "decimal": "2130706433",
        "hexadecimal": "0x7f000001",
        "hexadecimal parts": "0x7f.0x0.0x0.0x1",
        "octal": "017700000001",
        "octal parts": "0177.0.0.1",
        "leading noughts": "127.000.000.001",
        "overflowing": "127.0.0.257",
        "IPv6": "[::1]",
        "long IPv6": "[0:0:0:0:0:0:0:1]",
        "mapped": "[::ffff:127.0.0.1]",
        "mapped in hexadecimal": "[::ffff:7f00:1]",
        "compatible": "[::127.0.0.1]",
        "translated": "[64:ff9b::7f00:1]",
        "6to4": "[2002:7f00:1::]",
        "any IPv6": "[::]",
        "with a zone": "[::1%25lo]",
        "bare IPv6": "::1",
        "full-width digits": "\uff11\uff12\uff17.\uff10.\uff10.\uff11",
        "circled digits": "\u2460\u2461\u2466.0.0.1",
        "ideographic dots": "127\u30020\u30020\u30021",
        "encoded": "%31%32%37.0.0.1",
        "a name for an address": "127.0.0.1.nip.io",
    }
    urls = {name: f"http://{host}:{port}/a.jpeg" for name, host in hosts.items()}
    urls |= {f"https {name}": f"https://{host}:{port}/a.jpeg" for name, host in hosts.items()}
    mine = f"127.0.0.1:{own}"
    here = f"127.0.0.1:{port}"
    return urls | {
        "the sandbox as user": f"http://{mine}@{here}/a.jpeg",
        "the sandbox as user and password": f"http://127.0.0.1:{own}@{here}/",
        "the sandbox behind a hash": f"http://{here}#@{mine}/",
        "the sandbox behind a question mark": f"http://{here}?@{mine}/",
        "the sandbox behind a backslash": f"http://{here}\\@{mine}/",
        "the sandbox before a backslash": f"http://{mine}\\@{here}/",
        "the sandbox before a hash": f"http://{mine}#@{here}/",
        "the sandbox and a second port": f"http://{mine}:{port}/",
        "the sandbox and a space": f"http://{mine} @{here}/",
        "the sandbox and a tab": f"http://{mine}\t@{here}/",
        "the sandbox and a newline": f"http://{mine}\n@{here}/",
        "the sandbox and a NUL": f"http://{mine}\0@{here}/",
        "a host behind a semicolon": f"http://{mine};{here}/",
        "BFL as user": f"https://delivery-eu1.bfl.ai@{here}/a.jpeg",
        "BFL as user and password": f"https://delivery-eu1.bfl.ai:443@{here}/a.jpeg",
        "BFL behind a backslash": f"https://{here}\\@delivery-eu1.bfl.ai/a.jpeg",
        "BFL behind a hash": f"https://{here}#@delivery-eu1.bfl.ai/a.jpeg",
        "BFL behind an encoded at": f"https://{here}%40delivery-eu1.bfl.ai/a.jpeg",
        "BFL on this port": f"https://delivery-eu1.bfl.ai:{port}/a.jpeg",
        "no scheme": f"//{here}/a.jpeg",
        "no scheme and no slashes": f"{here}/a.jpeg",
        "one slash": f"http:/{here}/a.jpeg",
        "no slash": f"http:{here}/a.jpeg",
        "three slashes": f"http:///{here}/a.jpeg",
        "backslashes": f"http:\\\\{here}\\a.jpeg",
        "scheme in capitals": f"HTTP://{here}/a.jpeg",
        "a space before": f" http://{here}/a.jpeg",
        "a newline before": f"\nhttp://{here}/a.jpeg",
        "gopher": f"gopher://{here}/_GET",
        "ftp": f"ftp://{here}/a.jpeg",
        "ws": f"ws://{here}/a.jpeg",
        "redis": f"redis://{here}/0",
        "dict": f"dict://{here}/a",
    }


# Hosts that are BFL's only at a glance, and places that are nobody's business.
ELSEWHERE = {
    "plain http": "http://delivery-eu1.bfl.ai/a.jpeg",
    "another port": "https://delivery-eu1.bfl.ai:8443/a.jpeg",
    "userinfo": "https://user:password@delivery-eu1.bfl.ai/a.jpeg",
    "a longer name": "https://delivery-eu1.bfl.ai.evil.test/a.jpeg",
    "a name before it": "https://evil.delivery-eu1.bfl.ai/a.jpeg",
    "an encoded slash": "https://evil.test%2f.delivery-eu1.bfl.ai/a.jpeg",
    "a Cyrillic letter": "https://delivery-eu1.bfl.\u0430i/a.jpeg",
    "a dot at the end": "https://delivery-eu1.bfl.ai./a.jpeg",
    "somebody's storage": "https://bfldeliveryevil.blob.core.windows.net/a.jpeg",
    "cloud metadata": "http://169.254.169.254/latest/meta-data/",
    "Azure's platform": "https://168.63.129.16/a.jpeg",
    "a private address": "https://10.0.0.1/a.jpeg",
    "a file": "file:///etc/passwd",
    "relative": "/results/a/sample.jpeg",
    "a dot segment": "https://delivery-eu1.bfl.ai/a/../b.jpeg",
    "a backslash in the path": "https://delivery-eu1.bfl.ai/a\\b.jpeg",
    "a newline at the end": "https://delivery-eu1.bfl.ai/a.jpeg\n",
}
