"""Architecture: imports between packages and knowledge limited to one package, read by `ast`."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

from deploy.procfile import ROOT

COLUMNS_MAX = 120  # of templates, styles and scripts
ARROWS = {
    "jobs": {"jobs"},
    "receiver": {"jobs", "receiver"},
    "worker": {"jobs", "worker"},
    "deploy": {"jobs", "deploy"},
}
# Inside `jobs`, from the lowest: a package imports only packages of its own tier and below.
# The modules at the root have no tier.
TIERS = (
    {"domain"},
    {"net"},
    {"bfl", "storage"},
    {"config"},
    {"store", "observability"},
    {"archive"},
)
# Libraries that only these packages may import, so that each can be replaced in one place.
IMPORTERS = {
    "flask": ("receiver",),
    "werkzeug": ("receiver",),
    "click": ("receiver",),
    "requests": ("jobs.net", "jobs.bfl", "worker", "deploy"),
    "rq": ("worker",),
    "redis": ("jobs.store", "jobs.services", "worker", "deploy"),
    "hiredis": ("jobs.store",),
    "sqlite3": ("jobs.archive",),
    "obstore": ("jobs.storage",),
    "gevent": ("receiver", "deploy"),
    "itsdangerous": ("jobs.signing",),
    "standardwebhooks": ("jobs.signing",),
    "dotenv": ("jobs.config",),
    "prometheus_client": ("receiver",),
    "PIL": ("worker.thumbnail_child",),  # a process of its own: an image can crash a decoder
}
# A floor of tests imports what is below it; all else of the tests imports none of the three.
FLOORS = ("unit", "integration", "system")
BFL_WORDS = {"Ready", "Pending", "Reasoning", "Generating", "SUCCESS", "Task not found"}
VAGUE = {"utils", "common", "manager", "helpers", "misc"}


def _files(*packages: str) -> list[Path]:
    found = [path for package in packages for path in sorted((ROOT / package).rglob("*.py"))]
    return [path.relative_to(ROOT) for path in found if "node_modules" not in path.parts]


PRODUCT = _files("jobs", "receiver", "worker")
ALL = [*PRODUCT, *_files("deploy", "tests")]


@cache
def _nodes(path: Path) -> list[ast.AST]:
    return list(ast.walk(ast.parse((ROOT / path).read_text())))


def _name(path: Path) -> str:
    return ".".join(path.with_suffix("").parts).removesuffix(".__init__")


MODULES = {_name(path): path for path in [*PRODUCT, *_files("deploy")]}


@cache
def _names(path: Path) -> frozenset[str]:
    """Dotted names of imported modules, or of names in modules."""
    found = set[str]()
    for node in _nodes(path):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return frozenset(found)


@cache
def _imported(module: str) -> frozenset[str]:
    """The modules of this repository that a module imports."""
    names = _names(MODULES[module])
    found = {name if name in MODULES else name.rpartition(".")[0] for name in names}
    return frozenset(found & MODULES.keys())


def _reached(module: str) -> set[str]:
    """The modules that a module imports, directly or through others."""
    reached, waiting = set[str](), [module]
    while waiting:
        new = _imported(waiting.pop()) - reached
        reached |= new
        waiting.extend(new)
    return reached


def _package_in_jobs(module: str) -> str | None:
    top, _, rest = module.partition(".")
    package = rest.partition(".")[0]
    return package if top == "jobs" and package and (ROOT / top / package).is_dir() else None


def _texts(path: Path) -> Iterator[str]:
    """Every string except docstrings."""
    docstrings = {
        id(node.body[0].value)
        for node in _nodes(path)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    constants = (node for node in _nodes(path) if isinstance(node, ast.Constant))
    for node in constants:
        if isinstance(node.value, str) and id(node) not in docstrings:
            yield node.value


def test_a_package_imports_only_what_its_arrow_points_at() -> None:
    for package, allowed in ARROWS.items():
        for path in _files(package):
            ours = {name.split(".")[0] for name in _names(path)} & {*ARROWS, "tests"}
            assert ours <= allowed, f"{path} imports {ours - allowed}"


def test_no_floor_of_tests_imports_the_one_above() -> None:
    for path in _files("tests"):
        floor = path.parts[1]
        above = FLOORS[FLOORS.index(floor) + 1 :] if floor in FLOORS else FLOORS
        prefixes = tuple(f"tests.{name}." for name in above)
        upwards = [name for name in _names(path) if name.startswith(prefixes)]
        assert not upwards, f"{path} imports {upwards}"


def test_the_packages_of_jobs_reach_only_their_own_tier_and_below() -> None:
    allowed = set[str]()
    for tier in TIERS:
        allowed |= tier
        inside = [module for module in MODULES if _package_in_jobs(module) in tier]
        for module in inside:
            reached = {_package_in_jobs(name) for name in _reached(module)} - {None}
            assert reached <= allowed, f"{module} reaches {reached - allowed}"
    packages = {path.parts[1] for path in _files("jobs") if len(path.parts) > 2}
    assert packages == allowed, "each has its tier"


def test_no_modules_import_each_other_in_a_circle() -> None:
    TopologicalSorter({module: _imported(module) for module in MODULES}).prepare()


def test_a_library_is_imported_only_by_the_packages_named_for_it() -> None:
    for path in [*PRODUCT, *_files("deploy")]:
        for library in {name.split(".")[0] for name in _names(path)} & IMPORTERS.keys():
            assert _name(path).startswith(IMPORTERS[library]), f"{path} imports {library}"


def test_one_package_knows_keys_of_redis_words_of_bfl_and_the_environment() -> None:
    for path in PRODUCT:
        if not _name(path).startswith("jobs.store"):
            assert "jobs.store.redis.keys" not in _imported(_name(path)), path
        if not _name(path).startswith("jobs.bfl"):
            assert not BFL_WORDS.intersection(_texts(path)), path
        if _name(path) != "jobs.store.redis.keys":
            assert not [text for text in _texts(path) if re.search("fluxkeep:(?!//)", text)], path
        read = [
            node
            for node in _nodes(path)
            if isinstance(node, ast.Attribute) and node.attr == "environ"
            if ast.unparse(node.value) != "request"
        ]
        assert _name(path) == "jobs.config.environment" or not read, path


def test_no_file_is_vaguely_named_and_no_page_is_wide() -> None:
    assert not [path for path in ALL if path.stem in VAGUE]
    pages = (ROOT / "receiver/dashboard").rglob("*.*")
    for path in (path for path in pages if path.suffix in (".html", ".css", ".js")):
        wide = [line for line in path.read_text().splitlines() if len(line) > COLUMNS_MAX]
        assert not wide, f"{path}: {wide[0]}"


def test_nothing_is_sent_to_redis_within_multi() -> None:
    """A full Redis refuses reads there too; Valkey, which the tests run on, does not."""
    calls = [
        (path, node)
        for path in PRODUCT
        for node in _nodes(path)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "pipeline"
        and path.parts[1] != "archive"
    ]
    assert calls
    for path, call in calls:
        assert [ast.unparse(one) for one in call.keywords] == ["transaction=False"], path
