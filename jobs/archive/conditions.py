"""Conditions of a search that an index of the archive can answer, and their SQL."""

from typing import Any, NamedTuple

from jobs.archive import rows
from jobs.store.search_conditions import Search


class Condition(NamedTuple):
    """A column, which an index begins with, has one of some values: a parameter for each."""

    table: str
    column: str
    values: dict[str, Any]


def indexed_conditions(search: Search) -> list[Condition]:
    """All conditions of a search except its source, its times and its words."""
    conditions = []
    for number, facet in enumerate(_facets(search)):
        conditions.append(Condition("facets", "facet", {f"facet_{number}": facet}))
    if search.model:
        conditions.append(Condition("jobs", "model", {"model": rows.clean(search.model)}))
    if search.key:
        conditions.append(Condition("jobs", "key", {"key": rows.clean(search.key)}))
    if search.owner:
        conditions.append(Condition("jobs", "key", {"owner": rows.clean(search.owner)}))
    if search.statuses:
        conditions.append(Condition("jobs", "status", _statuses(search)))
    return conditions


def _facets(search: Search) -> list[int]:
    facets = []
    for name, text in search.metadata:
        facets.append(rows.facet("metadata", f"{name}={text}"))
    if search.repeats is not None:
        facets.append(rows.facet("repeats", search.repeats))
    if search.seed is not None:
        facets.append(rows.facet("seed", str(search.seed)))
    if search.sha256 is not None:
        facets.append(rows.facet("sha256", search.sha256))
    return facets


def _statuses(search: Search) -> dict[str, Any]:
    statuses_once_each = dict.fromkeys(search.statuses)
    values = {}
    for number, status in enumerate(statuses_once_each):
        values[f"status_{number}"] = str(status)
    return values


def has_facet(condition: Condition) -> str:
    """SQL that compares a facet row by row. By the whole primary key, this reads one entry."""
    (value,) = condition.values
    return (
        "EXISTS (SELECT 1 FROM facets AS compared "
        f"WHERE compared.facet = :{value} "
        "AND compared.created_at = jobs.created_at AND compared.id = jobs.id)"
    )


def has_column(condition: Condition, *, is_sqlite: bool) -> str:
    """SQL that compares a column of `jobs` row by row."""
    column = f"jobs.{condition.column}"
    if is_sqlite:
        # A plus makes it an expression, which SQLite does not look up in another index.
        column = f"+{column}"
    parameters = ", ".join(f":{name}" for name in condition.values)
    return f"{column} IN ({parameters})"


def has_phrase(table: str, pattern: str) -> str:
    """SQL that finds a phrase among the words of a row. `pattern` names its parameter.

    Spaces around both make whole words of them.
    """
    return f"(' ' || {table}.words || ' ') LIKE :{pattern}"


def pattern_of(phrase: str) -> str:
    """The value of a `has_phrase` parameter. A folded phrase has no `%`, `_` or backslash."""
    return f"% {phrase} %"
