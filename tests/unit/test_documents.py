"""README.md and docs/ agree with the code and with each other."""

import json
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from dotenv import dotenv_values

from deploy.procfile import ROOT
from jobs.config import settings
from jobs.config.quotas import BFL_TOTAL
from jobs.config.settings import Settings
from jobs.domain.bfl_report import ErrorCode
from jobs.domain.status import Status
from jobs.domain.timeline import EventCode
from receiver.dashboard.template_filters import TEXTS
from receiver.feed.broker import SUBSCRIBERS_MAX
from receiver.mcp.tools import TOOLS
from tests.harness import models_doc, settings_doc
from tests.harness.documents import PAGES, blocks, page, prose
from tests.harness.openapi.document import files as openapi_files
from tests.sandbox import Switches

API = page("docs/api.md")
# Each program or command by the page and heading under which it stands, and the test that runs it.
RUN = {
    # tests/system/test_readme.py
    ("README.md", "Run it"),
    ("README.md", "Test it"),
    ("README.md", "Register it as the webhook"),
    ("README.md", "Use it from an app"),
    ("README.md", "Use the real BFL"),
    ("clients.md", "Before you start"),
    ("operate.md", "Restore drill"),
    # tests/image/test_compose.py, by `make image`
    ("deploy.md", "One machine with Docker"),
    # tests/system/test_documented_programs.py
    ("clients.md", "Point a BFL client at Fluxkeep"),
    ("clients.md", "Let Fluxkeep submit"),
    ("clients.md", "Submit yourself"),
    ("clients.md", "Edit an image"),
    ("clients.md", "Make it again"),
    ("clients.md", "Make a video, and finish a draft later"),
    ("clients.md", "Rehearse failures"),
    ("api.md", "Watch"),
    ("api.md", "Notifications"),
    ("operate.md", "Is it healthy?"),
    ("operate.md", "Command line"),
    # tests/integration/archive/test_documented_archive.py, tests/system/test_archive_commands.py
    ("archive.md", "What is where"),
    ("archive.md", "Back up and restore"),
    ("archive.md", "Five questions"),
}

LINK = re.compile(r"(?<!!)\[[^\]\n]+\]\(([^)\s]+)\)|srcset=\"([^\"]+)\"|src=\"([^\"]+)\"")
CODE = re.compile(r"`([^`\n]+)`")
PATH = re.compile(r"(?:^|\s|/)((?:deploy|docs|jobs|receiver|worker|tests)/[\w./-]*)(?=\s|$)")
MADE_BY_THE_READER = {"deploy/.env"}
KUBERNETES_DEPLOYMENT = {"deploy/web"}
PATHS_OF_THE_DASHBOARD = {"docs/errors"}
VARIABLE = re.compile(r"`([A-Z]+(?:_[A-Z]+)+)\b")
# Set by operators, and read by others than Fluxkeep's settings.
OTHER_VARIABLES = {
    "ENV_FILE",
    "DATA_DIR",
    "ALLOW_EPHEMERAL",
    "REDIS_PASSWORD",
    "POSTGRES_PASSWORD",
    "PYTHON_IMAGE",
    "REDIS_IMAGE",
    "POSTGRES_IMAGE",
    "FLUXKEEP_KEY",
    "FLUXKEEP_URL",
    "BFL_URL",
    "NAME_FILE",
}
PROVIDERS = ("AWS_", "GOOGLE_", "AZURE_")


def test_every_program_and_command_is_run_by_a_test() -> None:
    found = [one for path in PAGES for one in blocks(path)]
    run = [one for one in found if one.language in ("sh", "python", "js", "sql")]
    assert {(one.page, one.heading) for one in run} == RUN
    for one in (one for one in found if one not in run):
        assert one.language in ("json", "mermaid")
        assert one.language == "mermaid" or json.loads(one.text)


def test_the_index_lists_every_page() -> None:
    index = page("docs/README.md")
    listed = {(index.parent / link.partition("#")[0]).resolve() for link in links(index)}
    assert {path for path in PAGES if path != index} <= listed


def anchors(path: Path) -> set[str]:
    """The fragments that GitHub gives to a page's headings."""
    headings = re.findall(r"^#+ (.+)$", prose(path), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", one).lower().replace(" ", "-") for one in headings}


def links(path: Path) -> Iterator[str]:
    for found in LINK.finditer(prose(path)):
        target = found[1] or found[2] or found[3]
        if not target.startswith("https://"):
            yield target


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_every_link_file_and_variable_of_a_page_exists(path: Path) -> None:
    for link in links(path):
        name, _, fragment = link.partition("#")
        target = path.parent / name if name else path
        assert target.exists(), link
        assert not fragment or fragment in anchors(target), link
    named = {name for code in CODE.findall(prose(path)) for name in PATH.findall(code)}
    missing = {name for name in named if not (ROOT / name).exists()}
    assert missing <= MADE_BY_THE_READER | KUBERNETES_DEPLOYMENT | PATHS_OF_THE_DASHBOARD
    known = {name.upper() for name in Settings.model_fields} | OTHER_VARIABLES
    variables = {name for name in VARIABLE.findall(prose(path)) if not name.startswith(PROVIDERS)}
    assert variables - known == set()


def test_what_is_generated_is_what_make_docs_writes() -> None:
    assert settings_doc.PAGE.read_text() == settings_doc.page()
    assert settings_doc.API.read_text() == settings_doc.api_page()
    assert models_doc.PAGE.read_text() == models_doc.page()
    for path, text in openapi_files().items():
        assert path.read_text() == text, path.name


def test_figures_of_the_pages_are_those_of_the_code() -> None:
    assert f"each holds {SUBSCRIBERS_MAX:,} that wait or watch" in prose(page("docs/scaling.md"))
    comparison = prose(page("docs/comparison.md"))
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert f"this is {version}," in comparison
    assert f"keep to {BFL_TOTAL} tasks" in comparison


def test_what_streaming_costs_is_on_the_page_of_the_storage_and_among_the_benchmarks() -> None:
    assert "BENCHMARKS.md#streaming" in (ROOT / "docs/storage.md").read_text()
    _, _, results = (ROOT / "BENCHMARKS.md").read_text().partition("## Streaming\n")
    for place in ("a directory", "a bucket, streamed", "a bucket, browsers redirected"):
        assert f"| {place} |" in results


def test_the_page_of_agents_names_the_tools_that_need_more_than_reading() -> None:
    tools = [name for name, tool in TOOLS.items() if tool.scope != "read"]
    names = [f"`{name}`" for name in tools]
    listed = f"{', '.join(names[:-1])} and {names[-1]}"
    agents = prose(page("docs/agents.md"))
    assert f"Scope `read` is enough for all but {listed}." in agents
    assert all(f"`{name}`" in agents for name in TOOLS)


def test_an_operators_second_try_has_one_name_in_the_pages() -> None:
    for path in (*PAGES, ROOT / "CHANGELOG.md"):
        text = path.read_text()
        for words in ("deleted or rescued", "rescued or deleted", "deletion or rescue"):
            assert words not in text, path.name


def test_every_switch_that_is_named_exists() -> None:
    text = prose(page("docs/clients.md")).partition("## Rehearse failures")[2]
    rows = re.findall(r"^\| (`.+?) \|", text, re.MULTILINE)
    named = {name for row in rows for name in CODE.findall(row)}
    assert len(named) > 20 and named <= Switches.__dataclass_fields__.keys()


def test_the_page_of_settings_describes_each_once_and_its_template_is_valid() -> None:
    secret = "0123456789abcdef" * 4
    filled_in = {"WEBHOOK_SECRET": secret, "SECRET_KEY": secret, "API_KEYS": f"app:{secret}:submit"}
    template = dotenv_values(ROOT / "deploy/env.example")
    read = settings.load({name: value or "" for name, value in (template | filled_in).items()})
    assert read.media_url == "file:///srv/fluxkeep/media"
    named = re.findall(r"^\| `([A-Z_]+)` \|", settings_doc.page(), re.MULTILINE)
    foreign = [name for _, name, _, _ in settings_doc.FOREIGN]
    settings_named = sorted(name.lower() for name in named if name not in foreign)
    assert settings_named == sorted(
        Settings.model_fields.keys() - {"media_options", "bfl_api_keys"}
    )


def test_the_api_page_lists_every_error_status_and_event() -> None:
    listed = re.findall(r"^\| `(\w+)` \| `(\w+)` \|", prose(API), re.MULTILINE)
    assert {code for code, _ in listed} == set(ErrorCode)
    assert {status for _, status in listed} <= set(map(str, Status))
    text = prose(API).partition("## States")[2].partition("\n## ")[0]
    assert re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE) == [*map(str, Status)]
    text = prose(API).partition("## Timeline")[2].partition("\n## ")[0]
    events = re.findall(r"^\| `([a-z_]+\.[a-z_]+)` \| (.+) \|$", text, re.MULTILINE)
    assert dict(events) == TEXTS and [code for code, _ in events] == [*map(str, EventCode)]
