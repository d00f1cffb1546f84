"""`python -P zygote.py plain|gevent`: fork the product's processes from loaded modules.

Python needs a second to import the product, and the tests start hundreds of its processes.
Requests are lines of JSON on stdin; `pid` or `pid exit-code` answers each start and each end.
"""

import ctypes
import gc
import importlib
import json
import os
import select
import signal
import sys
from typing import Any

PRELOADED = {
    "plain": ("flask.cli", "receiver", "worker.__main__", "worker.sweep"),
    "gevent": ("gunicorn.app.wsgiapp", "receiver", "deploy.gunicorn_worker"),
}
PR_SET_PDEATHSIG = 1
STREAM_FLAGS = (os.O_RDONLY, *[os.O_WRONLY | os.O_CREAT | os.O_APPEND] * 2)
_libc = ctypes.CDLL(None)
_wait_for_input = select.select  # gevent replaces it


def main(kind: str) -> int:
    """Serve until stdin ends; in each child, run its program."""
    if kind == "gevent":  # as deploy/gunicorn.conf.py does it, before all other imports
        importlib.import_module("gevent.monkey").patch_all(os=False, signal=False)
    for module in PRELOADED[kind]:
        importlib.import_module(module)
    if kind == "gevent":
        compile_templates_once()
        flask = importlib.import_module("flask")
        app = flask.Flask("receiver", static_folder=None)
        app.register_blueprint(
            flask.Blueprint("dashboard", "receiver.dashboard", template_folder="templates")
        )
        importlib.import_module("receiver.dashboard.template_filters").install(app)
        for name in app.jinja_env.list_templates(extensions=["html"]):
            app.jinja_env.get_template(name)
    gc.freeze()
    request = _serve()
    return _run(**request) if request else 0


class _Memory(dict[str, bytes]):
    """What Jinja asks of the client of a memcached."""

    def set(self, key: str, value: bytes) -> None:
        self[key] = value


def compile_templates_once() -> None:
    """For all applications of this process and its children: it takes 0.2 s for each."""
    flask, jinja2 = importlib.import_module("flask"), importlib.import_module("jinja2")
    flask.Flask.jinja_options = {"bytecode_cache": jinja2.MemcachedBytecodeCache(_Memory())}


def _serve() -> dict[str, Any] | None:
    """The request that this child was forked for; None at the end of stdin."""
    woken, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wake)
    requests = b""
    while True:
        ready, _, _ = _wait_for_input([0, woken], [], [])
        if woken in ready:
            os.read(woken, 4096)
            try:
                while (ended := os.waitpid(-1, os.WNOHANG))[0]:
                    _answer(ended[0], os.waitstatus_to_exitcode(ended[1]))
            except ChildProcessError:
                pass
        if 0 in ready:
            received = os.read(0, 1 << 16)
            if not received:
                return None
            *lines, requests = (requests + received).split(b"\n")
            for line in lines:
                if pid := os.fork():
                    _answer(pid)
                else:
                    return dict(json.loads(line))


def _answer(*numbers: int) -> None:
    os.write(1, (" ".join(map(str, numbers)) + "\n").encode())


def _run(
    program: str,
    arguments: list[str],
    environment: dict[str, str],
    directory: str,
    streams: list[str],
) -> int:
    """Become a session of its own with this environment, and run `module:function`."""
    os.setsid()
    if "gevent" in sys.modules:
        importlib.import_module("gevent").reinit()  # else all children share one epoll
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    if sys.platform == "linux":
        _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    for number, (path, flags) in enumerate(zip(streams, STREAM_FLAGS, strict=True)):
        opened = os.open(path, flags, 0o600)
        os.dup2(opened, number)
        os.close(opened)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(directory)
    sys.argv = arguments
    module, _, function = program.partition(":")
    ended: int | None = getattr(sys.modules[module], function)()
    return ended or 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
