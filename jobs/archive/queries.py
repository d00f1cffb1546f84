"""SQL of lists: an index in the order of time leads, and words are found in two steps.

A planner takes the index of the time alone for what was common long ago, and reads the whole table:
the order of each query is the one of the index that is to lead.
"""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from jobs import words
from jobs.archive import rows
from jobs.archive.database import Transaction
from jobs.store.listing import Position
from jobs.store.search import Search

WALKED = 3000  # jobs of the leading index that are compared before the index of words is asked
INDEXED_MAX = 16  # words and phrases; of all others the record is asked
_FIRST, _LAST = Position(0.0, ""), Position(1e12, "")
_MICROSECOND = rows.ROW_NUMBERS
_NUMBER_MAX = 2**63 - 1

SQL = tuple[str, list[Any]]


class _Span(NamedTuple):
    """Jobs from a position on, and before another."""

    first: Position
    end: Position


class _Condition(NamedTuple):
    """Any of these values in a column that an index begins with."""

    table: str
    column: str
    values: tuple[Any, ...]


def page(
    run: Transaction, search: Search, limit: int, before: Position | None, *, has_numbers: bool
) -> list[tuple[Any, ...]]:
    """Up to so many rows that may match, newest first, older than a position."""
    end = min(before or _LAST, Position(search.until or _LAST.created_at, ""))
    span, conditions = _Span(Position(search.since or 0.0, ""), end), _conditions(search)
    phrases = words.phrases(search.words or "")[:INDEXED_MAX]
    leader, horizon = conditions[0] if conditions else None, _FIRST.created_at
    if len(conditions) > 1 or phrases:
        leader, horizon = _leader(run, conditions, span)
    if not phrases:
        return run(*_walk(search, conditions, leader, span, limit))
    if has_numbers and not leader:  # the index of words alone has the same order
        horizon, found = end.created_at, []
    else:
        newest = span._replace(first=max(span.first, Position(horizon, "")))
        found = run(*_walk(search, conditions, leader, newest, limit, phrases))
        span = span._replace(end=min(end, Position(horizon, "")))
    if horizon <= span.first.created_at or len(found) == limit:
        return found
    older = _from_fts5 if has_numbers else _from_gin
    return found + older(run, search, conditions, span, limit - len(found), phrases)


def _conditions(search: Search) -> list[_Condition]:
    named = [("metadata", f"{name}={text}") for name, text in search.metadata]
    named += [("repeats", search.repeats)] if search.repeats is not None else []
    named += [("seed", str(search.seed))] if search.seed is not None else []
    named += [("sha256", search.sha256)] if search.sha256 is not None else []
    found = [_Condition("facets", "facet", (rows.facet(*one),)) for one in named]
    columns = (("model", search.model), ("key", search.key))
    found += [_Condition("jobs", name, (rows.clean(text),)) for name, text in columns if text]
    if search.statuses:
        found.append(_Condition("jobs", "status", tuple(map(str, search.statuses))))
    return found


def _leader(
    run: Transaction, conditions: Sequence[_Condition], span: _Span
) -> tuple[_Condition | None, float]:
    """The condition with the fewest jobs, and the time of its oldest job that is walked to.

    The time is 0 if all are walked.
    """
    parts = [_nth(one, value, span) for one in conditions for value in one.values]
    texts, values = _joined(parts or [_nth(None, None, span)], ", ")
    times = iter(run(f"SELECT {texts}", values)[0])
    if not conditions:
        return None, next(times)
    reached = [max(next(times) for _ in one.values) for one in conditions]
    horizon = min(reached)
    return conditions[reached.index(horizon)], horizon


def _nth(condition: _Condition | None, value: Any, span: _Span) -> SQL:
    table = condition.table if condition else "jobs"
    text, values, order = _in_order(table, condition, value, span)
    sql = f"SELECT {table}.created_at FROM {table} WHERE {text}{order} LIMIT 1 OFFSET {WALKED}"
    return f"coalesce(({sql}), 0)", values


def _in_order(
    table: str, condition: _Condition | None, value: Any, span: _Span
) -> tuple[str, list[Any], str]:
    names = [f"{table}.{condition.column}"] if condition else []
    prefix = [value] if condition else []
    names += [f"{table}.created_at", f"{table}.id"]
    row, marks = f"({', '.join(names)})", f"({', '.join('?' * len(names))})"
    order = f" ORDER BY {', '.join(f'{name} DESC' for name in names)}"
    values = [*prefix, *span.first, *prefix, *span.end]
    return f"{row} >= {marks} AND {row} < {marks}", values, order


def _walk(
    search: Search,
    conditions: Sequence[_Condition],
    leader: _Condition | None,
    span: _Span,
    limit: int,
    phrases: Sequence[str] = (),
) -> SQL:
    """Rows in the order of an index; those of several values one by one."""
    others = [one for one in conditions if one is not leader]
    where, values = _joined([*_filters(search, others), *_likes(phrases)], " AND ")
    is_facet = leader is not None and leader.table == "facets"
    table = "facets JOIN jobs ON jobs.id = facets.id" if is_facet else "jobs"
    parts = []
    for value in leader.values if leader else (None,):
        text, bounds, order = _in_order("facets" if is_facet else "jobs", leader, value, span)
        text = " AND ".join(filter(None, (text, where)))
        sql = f"SELECT {rows.READ_COLUMNS} FROM {table} WHERE {text}{order} LIMIT ?"
        parts.append((sql, [*bounds, *values, limit]))
    if len(parts) == 1:
        return parts[0]
    whole, values = _joined(
        [(f"SELECT * FROM ({sql}) AS one", of) for sql, of in parts], " UNION ALL "
    )
    sql = f"SELECT * FROM ({whole}) AS found ORDER BY created_at DESC, id DESC LIMIT ?"
    return sql, [*values, limit]


def _filters(search: Search, conditions: Sequence[_Condition]) -> Iterator[SQL]:
    """Conditions that are compared row by row: `|| ''` keeps their indexes from leading."""
    for one in conditions:
        if one.table == "facets":
            same = "other.created_at = jobs.created_at AND other.id = jobs.id"
            yield (
                f"EXISTS (SELECT 1 FROM facets AS other WHERE other.facet = ? AND {same})",
                [*one.values],
            )
        else:
            marks = ", ".join("?" * len(one.values))
            yield f"(jobs.{one.column} || '') IN ({marks})", [*one.values]
    if search.source is not None:
        yield "jobs.source = ?", [str(search.source)]


def _likes(phrases: Sequence[str]) -> Iterator[SQL]:
    """A folded phrase has no `%`, `_` or backslash."""
    for phrase in phrases:
        yield "(' ' || jobs.words || ' ') LIKE ?", [f"% {phrase} %"]


def _joined(parts: Sequence[SQL], by: str) -> SQL:
    return by.join(text for text, _ in parts), [one for _, values in parts for one in values]


# By the index of words.


def _from_gin(
    run: Transaction,
    search: Search,
    conditions: Sequence[_Condition],
    span: _Span,
    limit: int,
    phrases: Sequence[str],
) -> list[tuple[Any, ...]]:
    text, bounds, _ = _in_order("jobs", None, None, span)
    in_a_row = [phrase for phrase in phrases if " " in phrase]
    where, values = _joined([*_filters(search, conditions), *_likes(in_a_row)], " AND ")
    matched = "string_to_array(jobs.words, ' ') @> string_to_array(?, ' ')"
    sql = (
        "WITH found AS MATERIALIZED (SELECT jobs.created_at AS at, jobs.id AS name FROM jobs "
        f"WHERE {' AND '.join(filter(None, (matched, text, where)))}), "
        "newest AS (SELECT * FROM found ORDER BY at DESC, name DESC LIMIT ?) "
        f"SELECT {rows.READ_COLUMNS} FROM newest JOIN jobs ON jobs.id = newest.name "
        "ORDER BY newest.at DESC, newest.name DESC"
    )
    return run(sql, [" ".join(phrases), *bounds, *values, limit])


def _from_fts5(
    run: Transaction,
    search: Search,
    conditions: Sequence[_Condition],
    span: _Span,
    limit: int,
    phrases: Sequence[str],
) -> list[tuple[Any, ...]]:
    """Row numbers follow the time, but not the ids of jobs of one microsecond."""
    text, bounds, _ = _in_order("jobs", None, None, span)
    in_a_row = [phrase for phrase in phrases if " " in phrase]
    where, values = _joined([*_filters(search, conditions), *_likes(in_a_row)], " AND ")
    matched = "jobs_words MATCH ? AND jobs_words.rowid >= ? AND jobs_words.rowid < ?"
    sql = (
        "FROM jobs_words CROSS JOIN jobs ON jobs.number = jobs_words.rowid "
        f"WHERE {' AND '.join(filter(None, (matched, text, where)))}"
    )
    query = " AND ".join(f'"{word}"' for word in dict.fromkeys(" ".join(phrases).split()))
    first, end = rows.microsecond(span.first.created_at), rows.microsecond(span.end.created_at) + 1
    first_number, end_number = first * _MICROSECOND, min(end * _MICROSECOND, _NUMBER_MAX)
    last = run(
        f"SELECT jobs.number {sql} ORDER BY jobs_words.rowid DESC LIMIT 1 OFFSET ?",
        [query, first_number, end_number, *bounds, *values, limit - 1],
    )
    if last:
        first_number = last[0][0] // _MICROSECOND * _MICROSECOND
    return run(
        f"SELECT {rows.READ_COLUMNS} {sql} ORDER BY jobs.created_at DESC, jobs.id DESC LIMIT ?",
        [query, first_number, end_number, *bounds, *values, limit],
    )
