"""gunicorn settings of the web process; WEB_CONCURRENCY sets the number of processes (2)."""

# ruff: noqa: E402 - gevent patches the standard library before other modules import it
from gevent import monkey

# In the master, so that `preload_app` shares the loaded application with all workers.
# gunicorn handles child processes and signals itself.
monkey.patch_all(os=False, signal=False)

import gc
import os
import resource
import sys
from typing import Any

from gunicorn.glogging import Logger

from deploy.page_compiler import load_pages
from jobs.archive.file_access import require_writable
from jobs.config import settings
from jobs.domain.errors import InvalidSettings
from jobs.observability import logs
from jobs.services import require_durability
from jobs.storage.opening import verify_access

GC_THRESHOLD = 10_000  # allocations minus deallocations before a collection
FILES = 8192  # open at once, connections included

os.umask(0o077)  # only this user may read media

# Checked in the master: gunicorn would restart a failing worker for ever.
try:
    _settings = settings.load()
    verify_access(_settings.storage_url, _settings.media_options)
    require_writable(_settings.database_url)
    require_durability(_settings)
except InvalidSettings as error:
    sys.exit(f"Fluxkeep cannot start: {error}")

# Each waiting client holds an open connection, and the usual limit is 1024 files.
_files, _files_max = resource.getrlimit(resource.RLIMIT_NOFILE)
_target = FILES
if _files_max != resource.RLIM_INFINITY:
    _target = min(FILES, _files_max)
if _target > _files:
    resource.setrlimit(resource.RLIMIT_NOFILE, (_target, _files_max))

_host = _settings.listen_host
if ":" in _host:  # IPv6
    _host = f"[{_host}]"
bind = f"{_host}:{_settings.port}"
workers = _settings.web_concurrency
# gevent: a stalled client costs a greenlet instead of a thread (BENCHMARKS.md).
worker_class = "deploy.gunicorn_worker.Worker"
worker_connections = 2000  # long polls and event streams take up to 1500 of them
preload_app = True
# Heartbeats in memory: a slow disk would make workers look dead, a read-only one would fail.
worker_tmp_dir = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # noqa: S108 - no secret

timeout = 30  # seconds; BFL waits so long for the response to a callback
graceful_timeout = 25  # platforms send SIGKILL 30 s after SIGTERM
# A router that believes a connection to be open sends a callback on it, which then is lost.
keepalive = _settings.keep_alive

# Far above what a callback needs; longer lines or headers are attacks.
limit_request_line = 8190
limit_request_fields = 100
limit_request_field_size = 8190

# A trusted proxy may set the scheme (gunicorn_parser.py), but no header that changes the path.
forwarded_allow_ips = _settings.forwarded_allow_ips.setting
forwarder_headers = ""
header_map = "drop"

control_socket_disable = True


class Log(Logger):
    """Formats the error log, and the access log if an operator enables it, as `LOG_FORMAT` says."""

    def setup(self, cfg: Any) -> None:
        super().setup(cfg)
        formatter = logs.formatter(settings.load(), "web")
        for logger in (self.error_log, self.access_log):
            for handler in logger.handlers:
                handler.setFormatter(formatter)


logger_class = Log
accesslog = None  # the paths of media links and callbacks are secrets


def on_starting(server: Any) -> None:
    """Load the pages before the fork."""
    load_pages(server.app.wsgi().jinja_env)


def when_ready(_server: Any) -> None:
    """Freeze loaded objects before the fork: the collector would unshare their memory pages."""
    gc.collect()
    gc.freeze()


def post_worker_init(worker: Any) -> None:
    """Freeze loaded objects: no callback waits for the collector to traverse them."""
    # gunicorn looks up its settings for each request through two Python functions: store them.
    for name, setting in worker.cfg.settings.items():
        vars(worker.cfg)[name] = setting.get()
    gc.collect()
    gc.freeze()
    gc.set_threshold(GC_THRESHOLD)
