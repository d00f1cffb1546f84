"""The arrows between packages and modules, and who may know what; read from the syntax trees."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from deploy.procfile import ROOT

LINES_MAX = 300
# From the ground up: a module imports only from the layers below its own.
LAYERS = (
    {"bfl_models"},
    {"wording", "errors", "states", "scripts", "keys", "outage", "watchdog", "timeline"}
    | {"kept", "signed_urls", "patience", "caller", "limits", "target", "seal", "apikey", "headers"}
    | {"proxies", "quotas", "redis_url", "addresses", "values"},
    {"evolution", "durability"},
    {"batching"},
    {
        "hosts",
        "report",
        "bfl_results",
        "clock",
        "complaint",
        "environment",
        "counts",
        "strict_json",
    },
    {"facts", "shown"},
    {"job", "web"},
    {"retention", "facets", "found"},
    {"reporting", "optional"},
    {"settings", "records", "bfl", "signing", "media", "queues", "submission", "api"}
    | {"notifications", "drawing", "portrait", "provider", "changes"},
    {"redaction", "outgoing"},
    {"logs", "sentry"},
    {"observers", "places", "search", "connection"},
    {"bfl_answers", "bfl_submissions", "plan", "slots", "strict_models"},
    {"store", "ended", "consistency", "recollection", "pages", "pulse", "refusals", "events"}
    | {"minutes", "risk", "directory", "staging", "account", "meter", "login_links"},
    {"bucket"},
    {"storage", "sidecars"},
    {"ingest", "services"},
    {"drafts", "shape"},
)
ARROWS = {
    "jobs": {"jobs"},
    "receiver": {"jobs", "receiver"},
    "worker": {"jobs", "worker"},
    "deploy": {"jobs", "deploy"},
}
# Libraries that are known in one place, so that they can be replaced in one place.
AT_HOME = {
    "flask": {"receiver"},
    "werkzeug": {"receiver"},
    "click": {"receiver"},
    "requests": {"jobs.api", "jobs.web", "worker", "deploy"},
    "rq": {"jobs.queues", "worker.worker"},
    "redis": {
        "jobs.clock",
        "jobs.durability",
        "jobs.connection",
        "jobs.ended",
        "jobs.consistency",
        "jobs.login_links",
        "jobs.events",
        "jobs.meter",
        "jobs.batching",
        "jobs.minutes",
        "jobs.outage",
        "jobs.pages",
        "jobs.pulse",
        "jobs.queues",
        "jobs.refusals",
        "jobs.risk",
        "jobs.services",
        "jobs.slots",
        "jobs.store",
        "jobs.strict_models",
        "worker.__main__",
        "worker.worker",
        "deploy.local_redis",
    },
    "hiredis": {"jobs.batching"},
    "obstore": {"jobs.bucket", "jobs.complaint", "jobs.directory", "jobs.provider"},
    "gevent": {"receiver", "deploy"},
    "itsdangerous": {"jobs.signing"},
    "standardwebhooks": {"jobs.seal"},
    "dotenv": {"jobs.environment", "deploy"},
    "prometheus_client": {"receiver.families", "receiver.metrics"},
    "PIL": {"worker.thumbnail_child"},  # in a process of its own: Pillow can be made to hang
}
BFL_WORDS = {
    "Ready",
    "Pending",
    "Reasoning",
    "Generating",
    "Error",
    "Failed",
    "SUCCESS",
    "Request Moderated",
    "Content Moderated",
    "Task not found",
}
KEEPERS = {"store", "pages", "places", "plan", "pulse", "refusals", "slots", "strict_models"} | {
    "changes",
    "durability",
    "ended",
    "events",
    "facets",
    "login_links",
    "consistency",
    "meter",
    "minutes",
    "risk",
    "search",
}
VAGUE = {"utils", "common", "manager", "helpers", "misc"}


def _files(*packages: str) -> list[Path]:
    found = [path for package in packages for path in sorted((ROOT / package).rglob("*.py"))]
    return [path.relative_to(ROOT) for path in found]


PRODUCT = _files("jobs", "receiver", "worker")
ALL = _files("jobs", "receiver", "worker", "deploy", "tests")
every_file = pytest.mark.parametrize("path", ALL, ids=str)
every_product_file = pytest.mark.parametrize("path", PRODUCT, ids=str)
every_kernel_file = pytest.mark.parametrize("path", _files("jobs"), ids=str)


@cache
def _tree(path: Path) -> ast.Module:
    return ast.parse((ROOT / path).read_text())


def _name(path: Path) -> str:
    return ".".join(path.with_suffix("").parts).removesuffix(".__init__")


def _imports(tree: ast.AST) -> Iterator[str]:
    """Dotted names; `from jobs import bfl` is `jobs.bfl`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _texts(tree: ast.Module) -> Iterator[str]:
    """Every string but the docstrings."""
    prose = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in prose:
            yield node.value


@pytest.mark.parametrize("package", ARROWS)
def test_a_package_imports_only_what_its_arrow_points_at(package: str) -> None:
    for path in _files(package):
        ours = {name.split(".")[0] for name in _imports(_tree(path))} & {*ARROWS, "tests"}
        assert ours <= ARROWS[package], f"{path} imports {ours - ARROWS[package]}"


@every_kernel_file
def test_a_kernel_module_imports_only_from_layers_below(path: Path) -> None:
    if path.name == "__init__.py":
        return
    (level,) = [n for n, layer in enumerate(LAYERS) if path.stem in layer]
    below = set[str]().union(*LAYERS[:level])
    names = (name.split(".") for name in _imports(_tree(path)))
    imported = {parts[1] for parts in names if parts[0] == "jobs"}
    assert imported <= below, f"{path} imports {imported - below}"


@pytest.mark.parametrize("library", AT_HOME)
def test_a_library_is_known_only_where_it_is_at_home(library: str) -> None:
    for path in [*PRODUCT, *_files("deploy")]:
        home = {_name(path), path.parts[0]} & AT_HOME[library]
        found = library in {name.split(".")[0] for name in _imports(_tree(path))}
        assert home or not found, f"{path} imports {library}"


@every_product_file
def test_only_the_store_and_its_scripts_know_a_key_of_redis(path: Path) -> None:
    if path.stem not in KEEPERS:
        assert "keys" not in {name.split(".")[1] for name in _imports(_tree(path)) if "." in name}
    if _name(path) != "jobs.keys":
        assert not [text for text in _texts(_tree(path)) if "fluxkeep:" in text]


@every_product_file
def test_only_bfl_speaks_bfls_words(path: Path) -> None:
    if not _name(path).startswith("jobs.bfl"):
        assert not BFL_WORDS.intersection(_texts(_tree(path)))


@every_product_file
def test_only_one_module_reads_the_environment(path: Path) -> None:
    if _name(path) != "jobs.environment":
        assert "environ" not in {
            node.attr
            for node in ast.walk(_tree(path))
            if isinstance(node, ast.Attribute) and ast.unparse(node.value) != "request"
        }


@every_file
def test_no_function_imports_anything(path: Path) -> None:
    for node in ast.walk(_tree(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert not list(_imports(node)), f"{path}: {node.name} imports"


@every_file
def test_every_module_opens_with_what_it_is_for(path: Path) -> None:
    assert ast.get_docstring(_tree(path)), f"{path} has no docstring"


@every_file
def test_no_file_is_long_or_vaguely_named(path: Path) -> None:
    assert len((ROOT / path).read_text().splitlines()) <= LINES_MAX
    assert path.stem not in VAGUE
