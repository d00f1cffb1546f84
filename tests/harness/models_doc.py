"""`make docs`: write docs/models.md from BFL's OpenAPI document and our own words."""

import re
from collections.abc import Iterator, Sequence

from deploy.procfile import ROOT
from jobs.bfl import model_names, openapi_document
from jobs.bfl.model_schemas import Endpoint, InputField, Kind, Mode
from jobs.domain.polling_policy import typical_seconds

PAGE = ROOT / "docs/models.md"
OPENING = """\
<!-- Written by `make docs`. -->
# Which models are there, and what do they take?

By BFL's own OpenAPI document of {as_of}. An installation reads BFL's newest one once a day
(`BFL_OPENAPI`), so that its form and its list of models follow without a release; `doctor` and the
health page say what changed. Any other model and any other field is passed on to BFL, which
decides. [BFL's own reference](https://docs.bfl.ai) explains the fields.

BFL changes a `{preview}` model under its name; the others are pinned: use those in production.
*Polled* models take no webhook: Fluxkeep submits to them without one and polls. A file is base64,
or an https URL that BFL can read.
"""

WITHDRAWN = """\
## Names that BFL does not know

BFL withdrew some models, and other programs have names for models that were never its own. Such a
job fails as `unknown_model`, and its message names the model to use, or the one that is nearest.
"""


def page() -> str:
    groups: dict[tuple[str, ...], Endpoint] = {}
    for endpoint in openapi_document.shipped_endpoints().values():
        same = tuple(
            name for name, one in openapi_document.shipped_endpoints().items() if one == endpoint
        )
        groups[same] = endpoint
    opening = OPENING.format(
        as_of=openapi_document.shipped_document()["x-as-of"], preview="*-preview"
    )
    names = sorted(openapi_document.shipped_endpoints(), key=model_names.rank)
    overview = ["| model | | usual time | |", "|---|---|---|---|", *map(_overview, names), ""]
    ranked = sorted(groups.items(), key=lambda group: min(map(model_names.rank, group[0])))
    sections = (line for names, endpoint in ranked for line in _section(sorted(names), endpoint))
    return "\n".join([opening, *overview, *_withdrawn(), *sections])


def _withdrawn() -> Iterator[str]:
    """What to use in place of models that BFL does not have any more, or never had."""
    yield WITHDRAWN
    yield from ("| not at BFL | use |", "|---|---|")
    for name, successor in model_names.SUCCESSORS.items():
        yield f"| `{name}` | `{successor}` |"
    yield ""


def _overview(name: str) -> str:
    seconds = typical_seconds(name)
    modes = openapi_document.shipped_endpoints()[name].modes.values()
    notes = ["called back" if all(mode.takes_webhook for mode in modes) else "polled"]
    notes += [] if any("seed" in mode.fields for mode in modes) else ["no seed"]
    usual = f"{seconds:g} s" if seconds < 60 else f"{seconds / 60:g} min"
    return f"| `{name}` | {model_names.purpose(name)} | {usual} | {', '.join(notes)} |"


def _section(names: Sequence[str], endpoint: Endpoint) -> Iterator[str]:
    yield f"## {', '.join(names)}\n"
    for name, mode in endpoint.modes.items():
        if name:
            yield f'`"{endpoint.selector}": "{name}"`: {model_names.label(name).lower()}\n'
        yield from _table(mode)


def _table(mode: Mode) -> Iterator[str]:
    yield from ("| field | value | default |", "|---|---|---|")
    for name, field in mode.fields.items():
        if _base(name) in mode.fields:
            continue
        numbered = [one for one in mode.fields if _base(one) == name]
        required = " (required)" if field.is_required else ""
        required += f" to `{numbered[-1]}`" if numbered else ""
        default = "" if field.default in (None, "") else f"`{_json(field.default)}`"
        yield f"| `{name}`{required} | {_value(field)} | {default} |"
    yield "\nNo other fields.\n" if mode.is_strict else ""


def _base(name: str) -> str:
    """`input_image` for `input_image_2`, else empty."""
    return "".join(re.findall(r"^(.+)_[0-9]+$", name))


def _value(field: InputField) -> str:
    kind = {Kind.CHOICE: "", Kind.DRAFT: "draft bundle"}.get(field.kind, str(field.kind))
    many = ", or a list of them" * field.is_list + ", each with its second" * field.is_timed
    choices = " · ".join(f"`{_json(choice)}`" for choice in field.choices)
    words = (f"{kind} {field.range}".strip() + many, choices)
    return " or ".join(filter(None, words))


def _json(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else f"{value}"


if __name__ == "__main__":
    PAGE.write_text(page())
