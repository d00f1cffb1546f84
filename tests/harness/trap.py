"""Trap for SSRF: a loopback port without visitors, and URLs that lead to it."""

import contextlib
import socket
import threading

from tests.harness.closing import Closing

_ANSWER = (
    b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nContent-Type: image/jpeg\r\n"
    b"Connection: close\r\n\r\n\xff\xd8\xff\xe0"
)


class Trap(Closing):
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

    def close(self) -> None:
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
    """Spellings of this machine with a port; `own` is the sandbox's port, which is allowed.

    One of each kind: tests/unit/test_urls.py has them all.
    """
    here, mine = f"127.0.0.1:{port}", f"127.0.0.1:{own}"
    return {
        "IPv4": f"http://{here}/a.jpeg",
        "name": f"http://localhost:{port}/a.jpeg",
        "decimal": f"http://2130706433:{port}/a.jpeg",
        "short, by https": f"https://127.1:{port}/a.jpeg",
        "IPv6": f"http://[::1]:{port}/a.jpeg",
        "mapped": f"http://[::ffff:127.0.0.1]:{port}/a.jpeg",
        "the sandbox as user": f"http://{mine}@{here}/a.jpeg",
        "the sandbox behind a backslash": f"http://{here}\\@{mine}/",
        "the sandbox before a hash": f"http://{mine}#@{here}/",
        "the sandbox and a newline": f"http://{mine}\n@{here}/",
        "BFL as user": f"https://delivery-eu1.bfl.ai@{here}/a.jpeg",
        "BFL behind an encoded at": f"https://{here}%40delivery-eu1.bfl.ai/a.jpeg",
        "BFL on this port": f"https://delivery-eu1.bfl.ai:{port}/a.jpeg",
        "no scheme": f"//{here}/a.jpeg",
    }


# Hosts that are BFL's only at a glance, and places that are nobody's business.
ELSEWHERE = {
    "plain http": "http://delivery-eu1.bfl.ai/a.jpeg",
    "a longer name": "https://delivery-eu1.bfl.ai.evil.test/a.jpeg",
    "somebody's storage": "https://bfldeliveryevil.blob.core.windows.net/a.jpeg",
    "cloud metadata": "http://169.254.169.254/latest/meta-data/",
    "a file": "file:///etc/passwd",
    "a dot segment": "https://delivery-eu1.bfl.ai/a/../b.jpeg",
}
