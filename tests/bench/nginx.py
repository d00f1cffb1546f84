"""nginx over the media directory, as the reference for serving files."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import requests

from deploy.local_redis import free_port
from tests.harness.patience import wait_for
from tests.harness.process import Process

# Debian's defaults without an access log, which Fluxkeep does not write either.
_CONFIGURATION = """\
{user}
daemon off;
worker_processes 2;
pid {directory}/nginx.pid;
error_log stderr error;
events {{ worker_connections 768; }}
http {{
  access_log off;
  sendfile on;
  tcp_nopush on;
  default_type application/octet-stream;
  types {{ image/jpeg jpg; video/mp4 mp4; }}
  client_body_temp_path {directory};
  proxy_temp_path {directory};
  fastcgi_temp_path {directory};
  uwsgi_temp_path {directory};
  scgi_temp_path {directory};
  server {{
    listen 127.0.0.1:{port} reuseport;
    root {root};
  }}
}}
"""


def installed() -> str | None:
    """Path of nginx, also in the sbin directories, which may not be in PATH."""
    return shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")


@contextmanager
def serving(root: Path, directory: Path) -> Iterator[str]:
    """Serve `root`, with nginx's own files in `directory`; yields the URL."""
    program, port = installed(), free_port()
    assert program is not None
    # Its workers drop root privileges and could not read files that are private to root.
    user = "user root root;" if os.geteuid() == 0 else ""
    text = _CONFIGURATION.format(user=user, directory=directory, port=port, root=root)
    (directory / "nginx.conf").write_text(text)
    command = [program, "-e", "stderr", "-c", str(directory / "nginx.conf")]
    process = Process("nginx", command, {}, directory / "nginx.log", directory)
    try:
        url = f"http://127.0.0.1:{port}"
        wait_for("nginx", lambda: _answers(url, process), 10)
        yield url
    finally:
        process.kill_all()


def _answers(url: str, process: Process) -> bool:
    if not process.alive:
        raise RuntimeError(f"nginx has ended:\n{process.output()}")
    try:
        return requests.get(url, timeout=5).status_code in (403, 404)
    except requests.ConnectionError:
        return False
