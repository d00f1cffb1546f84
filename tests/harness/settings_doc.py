"""`make docs`: write docs/settings.md from the settings, and the table of errors in docs/api.md."""

from collections.abc import Callable
from typing import Any

from pydantic import SecretStr
from pydantic.fields import FieldInfo

from deploy.procfile import ROOT
from jobs.config.fields import SettingGroup
from jobs.config.quotas import ConcurrencyLimits, RateLimit
from jobs.config.settings import Settings
from jobs.config.values import TrustedProxies
from receiver.problem_types import problem_texts

API = ROOT / "docs/api.md"
TABLE_HEAD = "| status | `code` | meaning, and what to do |\n|---|---|---|\n"
PAGE = ROOT / "docs/settings.md"
# Read by libraries, or named after a key: the heading under which each stands, its name, default
# and description.
FOREIGN = (
    (
        "Secrets and keys",
        "BFL_API_KEY_<NAME>",
        "none",
        (
            "BFL's API key for jobs of the API key with this name (upper case, `-` as `_`). They"
            " are submitted and polled with it, and it has slots, pauses and credits of its own."
        ),
    ),
    (
        "Redis and workers",
        "DATA_DIR",
        "`/data` in the image",
        (
            "The volume of `python -m deploy.all` ([deploy](deploy.md)). What nobody sets is in it:"
            " secrets, Redis, database, media."
        ),
    ),
    (
        "Redis and workers",
        "ALLOW_EPHEMERAL",
        "none",
        "`yes` lets `python -m deploy.all` start without a volume: all goes with its container.",
    ),
    ("Media", "AWS_…", "none", "Access to a bucket in `s3://` ([storage](storage.md))."),
    ("Media", "GOOGLE_…", "none", "Access to a bucket in `gs://`."),
    ("Media", "AZURE_…", "none", "Access to a container in `az://`."),
    ("Media", "AWS_ALLOW_HTTP", "none", "`no` refuses a plain http endpoint beyond loopback."),
    (
        "Media",
        "TMPDIR",
        "the system's",
        "Where files are staged on their way into a bucket, large requests among them.",
    ),
)
RARE = ("HOT_DAYS", "MAX_ANNOUNCED", "LINK_TTL_MAX", "CALLBACK_ACCELERATOR", "BFL_OPENAPI")
OPENING = """\
<!-- Written by `make docs`. -->
# Which settings are there?

Every process reads its settings once, at the start, from the environment. All processes need the
same ones: web, worker and sweep each stop with the variable's name if one is missing or wrong.
Each `NAME` may be given as `NAME_FILE` instead, the path of a file that holds the value. Lists are
separated by commas. Of several secrets the first is used and all are accepted, so that they can be
[rotated](../SECURITY.md). `deploy/env.example` is a template.

Durations and sizes are plain numbers, or have a unit: `90s`, `15m`, `1h`, `7d`, `4w`; `300MB`,
`288MiB`, `1GB`.
What is required and not set may come from elsewhere: WEBHOOK_SECRET from SECRET_KEY, and on Heroku,
Render, Railway and Fly PUBLIC_URL and FORWARDED_ALLOW_IPS from the platform.

In development `var/run.env` (made by `make run`) and `.env` are read too, or the one file that
`ENV_FILE` names. The environment wins.
"""
FORMATS: dict[type, Callable[[Any], str]] = {
    bool: lambda value: "yes" if value else "no",
    float: lambda value: f"{value:.10g}",
    tuple: ",".join,
    SecretStr: SecretStr.get_secret_value,
    TrustedProxies: lambda value: value.setting.replace("/32", "").replace("/128", ""),
    ConcurrencyLimits: lambda value: ",".join(
        [str(value.total), *map("{0[0]}={0[1]}".format, value.models.items())]
    ),
    RateLimit: lambda value: f"{value.requests}/minute",
}


def page() -> str:
    groups = [group for group in reversed(Settings.__bases__) if issubclass(group, SettingGroup)]
    tables = [_table_of(group) for group in groups]
    return "\n".join([OPENING, *tables, _appendix()])


def _table_of(group: type[SettingGroup]) -> str:
    heading = str(group.__doc__).removesuffix(".")
    rows = [
        (name.upper(), *_row(field))
        for name, field in group.model_fields.items()
        if field.description and name.upper() not in RARE
    ]
    rows += [(name, default, text) for under, name, default, text in FOREIGN if under == heading]
    return _table(heading, rows)


def _appendix() -> str:
    rows = [(name, *_row(Settings.model_fields[name.lower()])) for name in RARE]
    return _table("Appendix: what hardly anybody changes", rows)


def _table(heading: str, rows: list[tuple[str, str, str]]) -> str:
    lines = [f"| `{name}` | {default} | {text} |" for name, default, text in rows]
    return "\n".join([f"## {heading}", "", "| variable | default | |", "|---|---|---|", *lines, ""])


def _row(field: FieldInfo) -> tuple[str, str]:
    description = " ".join((field.description or "").split())
    if field.is_required():
        return "required", description
    # A value as it would stand in the environment; empty for none.
    value = field.get_default(call_default_factory=True)
    write = FORMATS.get(type(value), str)
    default = "" if value is None else write(value)
    return f"`{default}`" if default else "none", description


def api_page() -> str:
    """docs/api.md with the errors that the code lists."""
    before, head, rest = API.read_text().partition(TABLE_HEAD)
    rows = [
        f"| {kind.status} | `{kind.code}` | {text} |\n" for kind, text in problem_texts().items()
    ]
    return before + head + "".join(rows) + rest[rest.index("\n\n") + 1 :]


if __name__ == "__main__":
    PAGE.write_text(page())
    API.write_text(api_page())
