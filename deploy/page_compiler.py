"""Compile all pages before a web process forks.

A child does it: what this leaves in memory ends with it. The bytecode comes through a pipe: a
directory would stay behind when the process is stopped meanwhile.
"""

import marshal
import os
from contextlib import suppress

from jinja2 import BytecodeCache, Environment
from jinja2.bccache import Bucket


class _MemoryCache(BytecodeCache):
    """Bytecode by the key of its template."""

    def __init__(self) -> None:
        self.bytecode: dict[str, bytes] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        if bytecode := self.bytecode.get(bucket.key):
            bucket.bytecode_from_string(bytecode)

    def dump_bytecode(self, bucket: Bucket) -> None:
        self.bytecode[bucket.key] = bucket.bytecode_to_string()


def load_pages(templates: Environment) -> None:
    """Load all pages: shared by the processes, and no visitor waits until they are compiled."""
    if templates.bytecode_cache is not None:
        _load_all(templates)
        return
    cache = _MemoryCache()
    cache.bytecode = _compile_in_child(templates)
    templates.bytecode_cache = cache
    try:
        _load_all(templates)
    finally:
        templates.bytecode_cache = None


def _compile_in_child(templates: Environment) -> dict[str, bytes]:
    """The bytecode of all pages; empty when no process can be forked."""
    reading_end, writing_end = os.pipe()
    try:
        child = os.fork()
    except OSError:
        os.close(reading_end)
        os.close(writing_end)
        return {}
    if child == 0:
        os.close(reading_end)  # its write must fail, and not wait, when this process has ended
        _send_bytecode(templates, writing_end)
    os.close(writing_end)
    with os.fdopen(reading_end, "rb") as pipe:
        received = pipe.read()
    os.waitpid(child, 0)
    with suppress(ValueError, EOFError, TypeError):  # the child was killed
        return dict(marshal.loads(received))  # noqa: S302 - from our own child
    return {}


def _send_bytecode(templates: Environment, writing_end: int) -> None:
    """In the child, which ends here."""
    try:
        cache = _MemoryCache()
        templates.bytecode_cache = cache
        _load_all(templates)
        with os.fdopen(writing_end, "wb") as pipe:
            pipe.write(marshal.dumps(cache.bytecode))
    finally:
        os._exit(0)


def _load_all(templates: Environment) -> None:
    for name in templates.list_templates(extensions=["html"]):
        templates.get_template(name)
