"""Pages are compiled before the fork, in a child, and without a file that could be left."""

import os
import signal
import tempfile
import time
from pathlib import Path

import pytest
from jinja2 import DictLoader, Environment

from deploy.page_compiler import load_pages

PAGES = {"a.html": "a {{ 1 + 1 }}", "b.html": "{% extends 'a.html' %}", "a.js": "{{ unused"}


class Compiled(Environment):
    """An environment that notes which process compiled a page."""

    def __init__(self, note: Path, fault: str = "") -> None:
        super().__init__(loader=DictLoader(PAGES), autoescape=True)
        self._note, self._fault = note, fault

    def _compile(self, source: str, filename: str) -> object:  # type: ignore[override]
        if self._fault and os.getpid() != TEST_PROCESS:
            os.kill(os.getpid(), signal.SIGKILL)
        with self._note.open("a") as note:
            note.write(f"{os.getpid()}\n")
        return super()._compile(source, filename)


TEST_PROCESS = os.getpid()


def test_a_child_compiles_the_pages(tmp_path: Path) -> None:
    templates = Compiled(tmp_path / "note")
    load_pages(templates)
    compiled_by = (tmp_path / "note").read_text().split()
    assert len(compiled_by) == 2 and str(TEST_PROCESS) not in compiled_by
    assert templates.get_template("b.html").render() == "a 2"
    assert (tmp_path / "note").read_text().split() == compiled_by, "it was loaded already"
    assert templates.bytecode_cache is None


def test_a_killed_child_costs_no_page(tmp_path: Path) -> None:
    templates = Compiled(tmp_path / "note", fault="killed")
    load_pages(templates)
    assert templates.get_template("a.html").render() == "a 2"


def test_a_stop_while_pages_compile_leaves_no_process_and_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    pages = {f"{number}.html": "{{ a }}" * 300 for number in range(30)}
    templates = Environment(loader=DictLoader(pages), autoescape=True)
    reading_end, writing_end = os.pipe()
    process = os.fork()
    if process == 0:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        load_pages(templates)
        os._exit(0)
    os.close(writing_end)
    time.sleep(0.05)
    os.kill(process, signal.SIGTERM)
    os.waitpid(process, 0)
    with os.fdopen(reading_end) as pipe:
        assert pipe.read() == "", "the child has ended, too: nobody holds the other end"
    assert not list(tmp_path.iterdir())
