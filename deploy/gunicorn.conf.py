"""How gunicorn serves the web process; WEB_CONCURRENCY says with how many processes (2)."""

# ruff: noqa: E402 - what follows finds everything that blocks replaced
from gevent import monkey

# Here already, so that the application can be loaded once and be shared by all that serve it.
# Children and signals are gunicorn's business.
monkey.patch_all(os=False, signal=False)

import gc
import os
import resource
import sys
import warnings
from typing import Any, NoReturn

from jobs.config import settings
from jobs.errors import InvalidSettings
from jobs.services import prove_durability
from jobs.storage.opening import prove

COLLECTED_EVERY = 10_000  # objects that came and did not go


# Each of gunicorn's workers does it once more, for itself, with children and signals.
warnings.filterwarnings("ignore", category=monkey.MonkeyPatchWarning)


def _stop(why: object) -> NoReturn:
    sys.exit(f"Fluxkeep cannot start: {why}")


os.umask(0o077)  # media are for this user alone

# Said once and at once; an application that fails in a worker would be started again for ever.
try:
    _settings = settings.load()
    prove(_settings.storage_url, _settings.media_options)
    prove_durability(_settings)
except InvalidSettings as error:
    _stop(error)

# Each who waits holds an open connection, and the usual limit is 1024.
_files, _files_max = resource.getrlimit(resource.RLIMIT_NOFILE)
if _files_max == resource.RLIM_INFINITY or _files_max > _files:
    _wanted = 8192 if _files_max == resource.RLIM_INFINITY else min(8192, _files_max)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(_files, _wanted), _files_max))

_host = _settings.listen_host
bind = f"{f'[{_host}]' if ':' in _host else _host}:{_settings.port}"
workers = _settings.web_concurrency
# A stalled client costs a greenlet and not a thread; BENCHMARKS.md has the figures.
worker_class = "deploy.gunicorn_worker.QuietWorker"
worker_connections = 2000  # up to 1000 of them wait or watch
preload_app = True
# In memory: a slow disk would make processes look dead, and a read-only one has no room for it.
worker_tmp_dir = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # noqa: S108 - no secret

timeout = 30  # BFL waits so long for the answer to a callback
graceful_timeout = 25  # platforms send SIGKILL 30 s after SIGTERM
keepalive = 5  # also how long the headers of a request may take

# What a callback can need is far below these; a longer line or header is an attack.
limit_request_line = 4094
limit_request_fields = 100
limit_request_field_size = 8190

# A proxy may say over which scheme a request came, and nothing that changes its path.
forwarded_allow_ips = _settings.forwarded_allow_ips.setting
forwarder_headers = ""
header_map = "drop"

control_socket_disable = True
logger_class = "deploy.gunicorn_log.Log"
accesslog = None  # the paths of media links and callbacks are secrets


def when_ready(_server: Any) -> None:
    """What the collector never touches is shared with those who serve, for as long as they do."""
    gc.collect()
    gc.freeze()


def post_worker_init(worker: Any) -> None:
    """What is loaded by now stays: no callback waits while the collector looks through it again."""
    # The settings stay, too. Each is looked up for each request, through two functions of Python.
    vars(worker.cfg).update({name: one.get() for name, one in worker.cfg.settings.items()})
    gc.collect()
    gc.freeze()
    gc.set_threshold(COLLECTED_EVERY)
