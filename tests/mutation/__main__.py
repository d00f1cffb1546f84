"""`make mutants`: run the quick tests against generated mutants, and list those that survive.

Each mutant runs in a forked process that has imported the libraries already, and with the tests
that run its line, quickest first. A mutant with which they hang is listed and counted as killed.
"""

import argparse
import importlib
import os
import pickle
import signal
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from importlib.machinery import SourceFileLoader
from itertools import accumulate
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from deploy.procfile import ROOT
from tests.mutation.baseline import Recorder, Run, caller_lines, covering
from tests.mutation.operators import Mutant, mutants

# The quick tests that run the mutated code in their own process.
INTEGRATION = (
    *("job_store", "claim", "dispatcher", "rescue", "published_objects", "sweep"),
    *("rate_limiter", "rq_queue", "store_faults", "reasons_for_waiting"),
    *("simulation", "draft_bundles", "input_storage"),
    *("poll", "every_file_is_kept", "strict_models", "webhook"),
    *("drafts", "last_look", "login_links", "memory_storage", "scopes"),
    *(
        "non_generation_endpoints",
        "redirects",
        "own_keys",
        "acting_on_filters",
        "live_model_schemas",
    ),
    *("notify_urls", "media_store", "mcp_messages", "full_memory"),
)
TESTS = (
    *("tests/unit", "tests/integration/archive", "tests/integration/submitting"),
    *(f"tests/integration/test_{name}.py" for name in INTEGRATION),
)
PRODUCT = ("jobs", "receiver", "worker")
OWN = (*PRODUCT, "deploy", "tests")
OPTIONS = (
    *("-q", "-p", "no:cacheprovider", "-p", "no:xdist", "-p", "no:hypothesispytest"),
    *("-m", "not slow and not browser"),
    *("-W", "ignore::pytest.PytestAssertRewriteWarning"),  # plugins are imported already
)
TESTS_SECONDS = 15.0  # of tests for one mutant
HANGS_SECONDS = 300
PYTHON = sorted([*(ROOT / "jobs").glob("*.py"), *(ROOT / "jobs/domain").glob("*.py")])
TARGETS = (
    *(str(path.relative_to(ROOT)) for path in PYTHON if path.name != "__init__.py"),
    "jobs/store/commit.py",
    "jobs/store/deletion.py",
    "receiver/webhook.py",
    *(str(path.relative_to(ROOT)) for path in sorted((ROOT / "jobs/store/lua").rglob("*.lua"))),
)
Runs = dict[str, Run]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=2, help="mutants at a time")
    parser.add_argument("--every", type=int, default=1, help="run every n-th mutant only")
    parser.add_argument("--only", nargs="+", metavar="FILE", help="mutate these files only")
    parser.add_argument("--baseline", type=Path, help="file to keep the baseline in")
    options = parser.parse_args()
    with TemporaryDirectory(prefix="fluxkeep-mutants-") as directory:
        saved = options.baseline or Path(directory) / "baseline"
        if not saved.exists():
            assert _forked(_record, saved) == 0, "the tests fail without a mutant"
        runs, libraries = pickle.loads(saved.read_bytes())  # noqa: S301 - written a moment ago
    for name in libraries:
        with suppress(ImportError):
            importlib.import_module(name)
    chosen = [
        one for path in options.only or TARGETS for one in mutants(path, (ROOT / path).read_text())
    ][:: options.every]
    control = sorted({test for one in chosen for test in _covering(one, runs)[:1]})
    assert not _forked(_test, Mutant("", 0, 0, "", ""), control), "tests fail without a mutant"
    print(f"{len(chosen)} mutants, {len(runs)} tests", flush=True)
    with ThreadPoolExecutor(options.jobs) as pool:
        survived = [
            mutant for mutant in pool.map(lambda one: _survivor(one, runs), chosen) if mutant
        ]
    score = 100 * (1 - len(survived) / len(chosen))
    print(f"killed {len(chosen) - len(survived)} of {len(chosen)}: {score:.1f} %")


def _record(saved: Path) -> None:
    files = (path for name in PRODUCT for path in (ROOT / name).rglob("*.py"))
    recorder = Recorder([str(path.relative_to(ROOT)) for path in files])
    code = pytest.main([*OPTIONS, *TESTS], plugins=[recorder])
    libraries = [name for name in sys.modules if name.partition(".")[0] not in OWN]
    libraries = [name for name in libraries if not name.startswith(("_", "conftest"))]
    saved.write_bytes(pickle.dumps((recorder.runs, libraries)))
    os._exit(int(code))


def _survivor(mutant: Mutant, runs: Runs) -> Mutant | None:
    """The mutant if no test notices it."""
    tests = _covering(mutant, runs)
    code = _forked(_test, mutant, tests) if tests else 0
    if code <= 0:  # negative: ended by a signal, for taking too long
        verdict = "hung" if code else "survived" if tests else "not run by any test"
        print(f"{verdict}: {mutant.path}:{mutant.line}: {mutant.change}", flush=True)
    return None if code else mutant


def _covering(mutant: Mutant, runs: Runs) -> list[str]:
    """The quickest tests that run the line, for TESTS_SECONDS at most."""
    tests = covering(runs, _lines(mutant))
    seconds = accumulate(runs[test].seconds for test in tests)
    return [test for test, until in zip(tests, seconds, strict=True) if until < TESTS_SECONDS]


def _lines(mutant: Mutant) -> set[str]:
    """The lines of Python by which tests are chosen: for a script, those of its callers."""
    if mutant.path.endswith(".lua"):
        return caller_lines(mutant.path)
    return {f"{mutant.path}:{line}" for line in (mutant.line, mutant.statement)}


def _forked(run: Any, *arguments: Any) -> int:
    """The exit code of a forked process; negative when a signal ended it."""
    pid = os.fork()
    if pid == 0:
        try:
            _run(run, *arguments)
        finally:
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def _run(run: Any, *arguments: Any) -> None:
    if run is _test:
        signal.alarm(HANGS_SECONDS if arguments[0].path else 0)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        os.dup2(1, 2)
    run(*arguments)


def _test(mutant: Mutant, tests: list[str]) -> None:
    """Run the tests with the mutant in place of its file; exit with 1 when one fails."""
    changed = str(ROOT / mutant.path)
    read_data, read_text = SourceFileLoader.get_data, Path.read_text

    def get_data(loader: SourceFileLoader, path: str) -> bytes:
        if path.endswith(".pyc") and Path(mutant.path).stem == Path(path).name.split(".")[0]:
            raise OSError("compiled from the file without the mutant")
        return mutant.text.encode() if path == changed else read_data(loader, path)

    def read(path: Path, *args: Any, **options: Any) -> str:
        is_script = path.suffix == ".lua" and str(path) == changed
        return mutant.text if is_script else read_text(path, *args, **options)

    sys.dont_write_bytecode = True
    SourceFileLoader.get_data = get_data  # type: ignore[assignment,method-assign]
    Path.read_text = read  # type: ignore[assignment, method-assign]
    os._exit(1 if pytest.main([*OPTIONS, "-x", *tests]) else 0)


if __name__ == "__main__":
    main()
