"""SQL of lists: an index in the order of time leads, and words are found in two steps.

A planner takes the index of the time alone for what was common long ago, and reads the whole table:
the order of each query is the one of the index that is to lead.
"""

from collections.abc import Iterator, Sequence
from math import inf, nextafter
from typing import Any, NamedTuple

from jobs import search_words
from jobs.archive import rows
from jobs.archive.database import Transaction
from jobs.store.listing import Position
from jobs.store.search_conditions import Search

# Jobs of the leading index that are compared before the index of words is asked: FTS5 gives the
# newest first, GIN gives all.
WALKED, WALKED_BEFORE_FTS5 = 3000, 1000
# Of a query the database compares so much; the record is asked for the whole of it afterwards.
INDEXED_MAX = 16  # words and phrases
PHRASE_MAX_WORDS = 32  # SQLite refuses patterns of 50,000 bytes, and expressions of 1,000 levels
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


class _Query(NamedTuple):
    search: Search
    conditions: Sequence[_Condition]
    phrases: Sequence[str]
    walked: int
    plus: str  # before a column that SQLite is not to look up in an index


def page(
    run: Transaction, search: Search, limit: int, before: Position | None, *, has_numbers: bool
) -> list[tuple[Any, ...]]:
    """Up to so many rows that may match, newest first, older than a position."""
    end = min(before or _LAST, Position(search.until or _LAST.created_at, ""))
    span, conditions = _Span(Position(search.since or 0.0, ""), end), _conditions(search)
    phrases = _compared(search_words.phrases(search.words or ""))
    dialect = (WALKED_BEFORE_FTS5, "+") if has_numbers else (WALKED, "")
    query = _Query(search, conditions, phrases, *dialect)
    if not phrases and len(conditions) < 2:
        return run(*_walk(query, conditions[0] if conditions else None, span, limit))
    leader, horizon = _leader(run, query, span)
    if not phrases:
        return run(*_walk(query, leader, span, limit))
    found = []
    if leader or not has_numbers:  # else the index of words has the order of time
        edge = Position(nextafter(horizon, inf), "")
        found = run(*_walk(query, leader, span._replace(first=max(span.first, edge)), limit))
        if horizon <= span.first.created_at or len(found) == limit:
            return found
        span = span._replace(end=min(end, edge))
    older = _from_fts5 if has_numbers else _from_gin
    return found + older(run, query, span, limit - len(found))


def _compared(phrases: Sequence[str]) -> list[str]:
    """The beginnings of some phrases: a text that has all phrases has these, too."""
    beginnings = [" ".join(phrase.split()[:PHRASE_MAX_WORDS]) for phrase in phrases[:INDEXED_MAX]]
    return list(dict.fromkeys(beginnings))


def _conditions(search: Search) -> list[_Condition]:
    named = [("metadata", f"{name}={text}") for name, text in search.metadata]
    named += [("repeats", search.repeats)] if search.repeats is not None else []
    named += [("seed", str(search.seed))] if search.seed is not None else []
    named += [("sha256", search.sha256)] if search.sha256 is not None else []
    found = [_Condition("facets", "facet", (rows.facet(*one),)) for one in named]
    columns = (("model", search.model), ("key", search.key), ("key", search.owner))
    found += [_Condition("jobs", name, (rows.clean(text),)) for name, text in columns if text]
    if search.statuses:
        statuses = tuple(dict.fromkeys(map(str, search.statuses)))
        found.append(_Condition("jobs", "status", statuses))
    return found


def _leader(run: Transaction, query: _Query, span: _Span) -> tuple[_Condition | None, float]:
    """The condition with the fewest jobs, and the time of its oldest job that is walked to.

    The time is 0 if all are walked.
    """
    parts = [
        _nth(one, value, span, query.walked) for one in query.conditions for value in one.values
    ]
    texts, values = _joined(parts or [_nth(None, None, span, query.walked)], ", ")
    times = iter(run(f"SELECT {texts}", values)[0])
    if not query.conditions:
        return None, next(times)
    reached = [max(next(times) for _ in one.values) for one in query.conditions]
    horizon = min(reached)
    return query.conditions[reached.index(horizon)], horizon


def _nth(condition: _Condition | None, value: Any, span: _Span, walked: int) -> SQL:
    table = condition.table if condition else "jobs"
    text, values, order = _in_order(table, condition, value, span)
    sql = f"SELECT {table}.created_at FROM {table} WHERE {text}{order} LIMIT 1 OFFSET ?"
    return f"coalesce(({sql}), 0)", [*values, walked]


def _in_order(
    table: str, condition: _Condition | None, value: Any, span: _Span
) -> tuple[str, list[Any], str]:
    names = [_name(condition)] if condition else []
    prefix = [value] if condition else []
    names += [f"{table}.created_at", f"{table}.id"]
    row, marks = f"({', '.join(names)})", f"({', '.join('?' * len(names))})"
    order = f" ORDER BY {', '.join(f'{name} DESC' for name in names)}"
    values = [*prefix, *span.first, *prefix, *span.end]
    return f"{row} >= {marks} AND {row} < {marks}", values, order


def _walk(query: _Query, leader: _Condition | None, span: _Span, limit: int) -> SQL:
    """Rows in the order of an index; those of several values one by one."""
    where, values = _joined([*_filters(query, leader)], " AND ")
    is_facet = leader is not None and leader.table == "facets"
    table = "facets JOIN jobs ON jobs.id = facets.id" if is_facet else "jobs"
    columns = rows.READ_COLUMNS
    if query.phrases:
        columns += f", jobs.words, {_name(leader) if leader else 1} AS leads"
    parts = []
    for value in leader.values if leader else (None,):
        text, bounds, order = _in_order("facets" if is_facet else "jobs", leader, value, span)
        text = " AND ".join(filter(None, (text, where)))
        sql = f"SELECT {columns} FROM {table} WHERE {text}{order} LIMIT ?"
        parts.append((sql, [*bounds, *values, query.walked if query.phrases else limit]))
    if len(parts) == 1 and not query.phrases:
        return parts[0]
    order = "leads DESC, " if len(parts) == 1 and leader else ""
    # The limit inside keeps the words from changing the plan.
    whole, values = _joined(
        [(f"SELECT * FROM ({sql}) AS one", of) for sql, of in parts], " UNION ALL "
    )
    likes, patterns = _joined([*_likes("found", query.phrases)], " AND ")
    sql = (
        f"SELECT {rows.READ_NAMES} FROM ({whole}) AS found{likes and f' WHERE {likes}'} "
        f"ORDER BY {order}created_at DESC, id DESC LIMIT ?"
    )
    return sql, [*values, *patterns, limit]


def _name(condition: _Condition) -> str:
    return f"{condition.table}.{condition.column}"


def _filters(query: _Query, leader: _Condition | None) -> Iterator[SQL]:
    """Conditions that are compared row by row. A plus keeps SQLite from their indexes."""
    for one in query.conditions:
        if one is leader:
            continue
        if one.table == "facets":
            same = "other.created_at = jobs.created_at AND other.id = jobs.id"
            yield (
                f"EXISTS (SELECT 1 FROM facets AS other WHERE other.facet = ? AND {same})",
                [*one.values],
            )
        else:
            marks = ", ".join("?" * len(one.values))
            yield f"{query.plus}{_name(one)} IN ({marks})", [*one.values]
    if query.search.source is not None:
        yield "jobs.source = ?", [str(query.search.source)]


def _likes(table: str, phrases: Sequence[str]) -> Iterator[SQL]:
    """A folded phrase has no `%`, `_` or backslash."""
    for phrase in phrases:
        yield f"(' ' || {table}.words || ' ') LIKE ?", [f"% {phrase} %"]


def _joined(parts: Sequence[SQL], by: str) -> SQL:
    return by.join(text for text, _ in parts), [one for _, values in parts for one in values]


# By the index of words.


def _matched(query: _Query, span: _Span, matched: SQL) -> SQL:
    """Conditions of rows that the index of words has found."""
    text, bounds, _ = _in_order("jobs", None, None, span)
    in_a_row = [phrase for phrase in query.phrases if " " in phrase]
    further = (*_filters(query, None), *_likes("jobs", in_a_row))
    return _joined([matched, (text, bounds), *further], " AND ")


def _from_gin(run: Transaction, query: _Query, span: _Span, limit: int) -> list[tuple[Any, ...]]:
    matched = "string_to_array(jobs.words, ' ') @> string_to_array(?, ' ')"
    where, values = _matched(query, span, (matched, [" ".join(query.phrases)]))
    sql = (
        "WITH found AS MATERIALIZED (SELECT jobs.created_at AS at, jobs.id AS name FROM jobs "
        f"WHERE {where}), "
        "newest AS (SELECT * FROM found ORDER BY at DESC, name DESC LIMIT ?) "
        f"SELECT {rows.READ_COLUMNS} FROM newest JOIN jobs ON jobs.id = newest.name "
        "ORDER BY newest.at DESC, newest.name DESC"
    )
    return run(sql, [*values, limit])


def _from_fts5(run: Transaction, query: _Query, span: _Span, limit: int) -> list[tuple[Any, ...]]:
    """Row numbers follow the time, but not the ids of jobs of one microsecond."""
    matched = "jobs_words MATCH ? AND jobs_words.rowid >= ? AND jobs_words.rowid < ?"
    where, values = _matched(query, span, (matched, []))
    sql = f"FROM jobs_words CROSS JOIN jobs ON jobs.number = jobs_words.rowid WHERE {where}"
    match = " AND ".join(f'"{word}"' for word in dict.fromkeys(" ".join(query.phrases).split()))
    first, end = rows.microsecond(span.first.created_at), rows.microsecond(span.end.created_at) + 1
    first_number, end_number = (
        max(-_NUMBER_MAX, min(one * _MICROSECOND, _NUMBER_MAX)) for one in (first, end)
    )
    last = run(
        f"SELECT jobs.number {sql} ORDER BY jobs_words.rowid DESC LIMIT 1 OFFSET ?",
        [match, first_number, end_number, *values, limit - 1],
    )
    if last:
        first_number = last[0][0] // _MICROSECOND * _MICROSECOND
    return run(
        f"SELECT {rows.READ_COLUMNS} {sql} ORDER BY jobs.created_at DESC, jobs.id DESC LIMIT ?",
        [match, first_number, end_number, *values, limit],
    )
