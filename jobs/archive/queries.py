"""Pages of a search in the archive: which statements of `sql/` read them, and in which order.

Jobs are read newest first along one index: that of the time alone, or that of the condition with
the fewest jobs. All other conditions are compared row by row. A search for words has two steps: the
newest jobs of that index are compared, and the index of words gives the older jobs.

The statements leave the planners no choice. For a value that was common long ago a planner takes
the index of the time alone, and reads the whole table. So each statement compares and orders by the
columns of the index that is to lead; each file in `sql/` says how.
"""

from collections.abc import Sequence
from math import inf, nextafter
from typing import Any, NamedTuple

from jobs import search_words
from jobs.archive import conditions, row_numbers, rows, statements
from jobs.archive.conditions import Condition
from jobs.archive.database import Transaction
from jobs.store.listing import Position
from jobs.store.search_conditions import Search

# Jobs of the leading index that are compared before the index of words is asked. SQLite's gives
# the newest jobs first, PostgreSQL's gives all at once.
WALKED = 3000
WALKED_BEFORE_FTS5 = 1000
# A database compares this much of a query; the record is compared with all of it afterwards.
PHRASES_MAX = 16  # words and phrases
PHRASE_MAX_WORDS = 32  # SQLite refuses patterns of 50,000 bytes, and expressions of 1,000 levels

_FIRST_CREATED_AT = 0.0
_END_CREATED_AT = 1e12
_ROW_NUMBER_MAX = 2**63 - 1

_NEWEST_BY_TIME = statements.read("newest_by_time")
_NEWEST_BY_COLUMN = statements.read("newest_by_column")
_NEWEST_BY_FACET = statements.read("newest_by_facet")
_NEWEST_OF_SEVERAL_VALUES = statements.read("newest_of_several_values")
_NEWEST_WITH_WORDS = statements.read("newest_with_words")
_OLDER_WITH_WORDS_BY_GIN = statements.read("older_with_words_by_gin")
_OLDER_WITH_WORDS_BY_FTS5 = statements.read("older_with_words_by_fts5")
_LAST_NUMBER_BY_FTS5 = statements.read("last_number_by_fts5")
_WALKED_UNTIL_BY_TIME = statements.read("walked_until_by_time")
_WALKED_UNTIL_BY_VALUE = statements.read("walked_until_by_value")

DatabaseRow = tuple[Any, ...]


class _Span(NamedTuple):
    """Jobs from a position on, and before another."""

    first: Position
    end: Position

    def parameters(self) -> dict[str, Any]:
        return {
            "first_created_at": self.first.created_at,
            "first_id": self.first.id,
            "end_created_at": self.end.created_at,
            "end_id": self.end.id,
        }


class _Leader(NamedTuple):
    """The condition whose index leads, None for the index of the time alone.

    A walk reads the newest jobs of this index, at most `:walked`. It reads every job that is newer
    than `walked_until`; 0 if it reads all jobs of the condition.
    """

    condition: Condition | None
    walked_until: float


def page(
    run: Transaction,
    search: Search,
    limit: int,
    before: Position | None,
    *,
    has_row_numbers: bool,
) -> list[DatabaseRow]:
    """Up to `limit` rows that may match, newest first, older than a position.

    Only SQLite has row numbers.
    """
    query = _Query(run, search, is_sqlite=has_row_numbers)
    span = _span(search, before)
    if query.phrases:
        return query.rows_with_words(span, limit)
    return query.rows_without_words(span, limit)


def _span(search: Search, before: Position | None) -> _Span:
    first_created_at = _FIRST_CREATED_AT
    if search.since is not None:
        first_created_at = search.since
    end = Position(_END_CREATED_AT, "")
    if search.until is not None:
        end = Position(search.until, "")
    if before is not None:
        end = min(end, before)
    return _Span(Position(first_created_at, ""), end)


class _Query:
    """A search in one transaction."""

    def __init__(self, run: Transaction, search: Search, *, is_sqlite: bool) -> None:
        self._run = run
        self._is_sqlite = is_sqlite
        self._walked = WALKED_BEFORE_FTS5 if is_sqlite else WALKED
        self._source = search.source
        self._conditions = conditions.indexed_conditions(search)
        self.phrases = _compared_phrases(search.words or "")
        self._parameters = self._parameters_of_conditions()

    def _parameters_of_conditions(self) -> dict[str, Any]:
        """Values of the parameters that all statements of this search share."""
        parameters: dict[str, Any] = {"walked": self._walked}
        for condition in self._conditions:
            parameters.update(condition.values)
        if self._source is not None:
            parameters["source"] = self._source.value
        for number, phrase in enumerate(self.phrases):
            parameters[_pattern_name(number)] = conditions.pattern_of(phrase)
        words = " ".join(self.phrases)
        parameters["words_for_gin"] = words
        parameters["words_for_fts5"] = _fts5_expression(words)
        return parameters

    # Without words.

    def rows_without_words(self, span: _Span, limit: int) -> list[DatabaseRow]:
        """The newest rows, along the index of one condition."""
        leading_condition = None
        if len(self._conditions) == 1:
            leading_condition = self._conditions[0]
        elif self._conditions:
            leading_condition = self._find_leader(span).condition
        newest = self._newest_of_each_value(leading_condition, rows.READ_COLUMNS)
        if len(newest) == 1:
            sql = newest[0]
        else:
            sql = _NEWEST_OF_SEVERAL_VALUES.format(
                names=rows.READ_NAMES, newest_of_each_value=_union_of_walks(newest)
            )
        return self._select(sql, span, walk_limit=limit, limit=limit)

    # With words.

    def rows_with_words(self, span: _Span, limit: int) -> list[DatabaseRow]:
        """Rows with all phrases: the newest by a walk, older ones by the index of words."""
        if not self._conditions and self._is_sqlite:
            # A walk gains nothing: SQLite's index of words has the order of the time.
            return self._older_by_fts5(span, limit)
        leader = self._find_leader(span)
        # The walk may end between jobs of one moment. The jobs of that moment count as older.
        edge = Position(nextafter(leader.walked_until, inf), "")
        walked_span = _Span(max(span.first, edge), span.end)
        newest = self._newest_with_words(leader.condition, walked_span, limit)
        is_all_walked = leader.walked_until <= span.first.created_at
        if is_all_walked or len(newest) == limit:
            return newest
        older_span = _Span(span.first, min(span.end, edge))
        missing = limit - len(newest)
        if self._is_sqlite:
            return newest + self._older_by_fts5(older_span, missing)
        return newest + self._older_by_gin(older_span, missing)

    def _newest_with_words(
        self, leading_condition: Condition | None, span: _Span, limit: int
    ) -> list[DatabaseRow]:
        """Compare the words of the rows that are walked."""
        leading_column = "1"
        if leading_condition is not None:
            leading_column = f"{leading_condition.table}.{leading_condition.column}"
        columns = f"{rows.READ_COLUMNS}, jobs.words, {leading_column} AS leading_value"
        newest = self._newest_of_each_value(leading_condition, columns)
        order = "newest.created_at DESC, newest.id DESC"
        if leading_condition is not None and len(newest) == 1:
            # The order of the walk: PostgreSQL sorts nothing, and the limit ends the walk.
            order = f"newest.leading_value DESC, {order}"
        matches = [
            conditions.has_phrase("newest", _pattern_name(number))
            for number in range(len(self.phrases))
        ]
        sql = _NEWEST_WITH_WORDS.format(
            names=rows.READ_NAMES,
            newest_of_each_value=_union_of_walks(newest),
            matches_words=" AND ".join(matches),
            order=order,
        )
        return self._select(sql, span, walk_limit=self._walked, limit=limit)

    def _older_by_gin(self, span: _Span, limit: int) -> list[DatabaseRow]:
        sql = _OLDER_WITH_WORDS_BY_GIN.format(
            columns=rows.READ_COLUMNS, further_conditions=self._conditions_beside_words()
        )
        return self._select(sql, span, limit=limit)

    def _older_by_fts5(self, span: _Span, limit: int) -> list[DatabaseRow]:
        """Two statements: one finds the end of the page in the index, one reads the page."""
        further_conditions = self._conditions_beside_words()
        first_number = _bounded(row_numbers.first_number(span.first.created_at))
        end_number = _bounded(row_numbers.end_number(span.end.created_at))
        last_numbers = self._select(
            _LAST_NUMBER_BY_FTS5.format(further_conditions=further_conditions),
            span,
            first_number=first_number,
            end_number=end_number,
            last_of_page=limit - 1,
        )
        if last_numbers:
            last_number = last_numbers[0][0]
            # All jobs of that microsecond: their numbers do not follow their ids.
            first_number = row_numbers.first_of_microsecond(last_number)
        return self._select(
            _OLDER_WITH_WORDS_BY_FTS5.format(
                columns=rows.READ_COLUMNS, further_conditions=further_conditions
            ),
            span,
            first_number=first_number,
            end_number=end_number,
            limit=limit,
        )

    def _conditions_beside_words(self) -> str:
        """Conditions of rows that an index of words has found.

        Such an index knows the words of a text, and not their order: phrases are compared.
        """
        compared = self._compared_conditions(None)
        for number, phrase in enumerate(self.phrases):
            if " " in phrase:
                compared.append(conditions.has_phrase("jobs", _pattern_name(number)))
        return _joined_by_and(compared)

    # Parts of both.

    def _find_leader(self, span: _Span) -> _Leader:
        """The condition with the fewest jobs: the one whose walk goes back furthest."""
        walks = []
        for condition in self._conditions:
            for value in condition.values:
                walk = _WALKED_UNTIL_BY_VALUE.format(
                    value=value, table=condition.table, column=condition.column
                )
                walks.append(walk)
        if not walks:
            [walk_of_time] = self._select(_WALKED_UNTIL_BY_TIME, span)
            _, walked_until = walk_of_time
            return _Leader(None, walked_until)
        walked_until_of: dict[str, float] = dict(self._select(" UNION ALL ".join(walks), span))
        leaders = []
        for condition in self._conditions:
            # Jobs with any of these values are complete down to the nearest end of a walk.
            walked_until = max(walked_until_of[value] for value in condition.values)
            leaders.append(_Leader(condition, walked_until))
        return min(leaders, key=lambda leader: leader.walked_until)

    def _newest_of_each_value(self, leading_condition: Condition | None, columns: str) -> list[str]:
        """Statements that read the newest rows: one for each value of the leading condition."""
        further_conditions = _joined_by_and(self._compared_conditions(leading_condition))
        if leading_condition is None:
            sql = _NEWEST_BY_TIME.format(columns=columns, further_conditions=further_conditions)
            return [sql]
        template = _NEWEST_BY_COLUMN
        if leading_condition.table == "facets":
            template = _NEWEST_BY_FACET
        newest = []
        for value in leading_condition.values:
            sql = template.format(
                columns=columns,
                column=leading_condition.column,
                value=value,
                further_conditions=further_conditions,
            )
            newest.append(sql)
        return newest

    def _compared_conditions(self, leading_condition: Condition | None) -> list[str]:
        """SQL of the conditions that are compared row by row: all but the leading one."""
        compared = []
        for condition in self._conditions:
            if condition is leading_condition:
                continue
            if condition.table == "facets":
                compared.append(conditions.has_facet(condition))
            else:
                compared.append(conditions.has_column(condition, is_sqlite=self._is_sqlite))
        if self._source is not None:
            compared.append("jobs.source = :source")
        return compared

    def _select(self, sql: str, span: _Span, **numbers: int) -> list[DatabaseRow]:
        """Run a statement with all parameters that it may name."""
        parameters = dict(self._parameters)
        parameters.update(span.parameters())
        parameters.update(numbers)
        return self._run(sql, parameters)


def _compared_phrases(words: str) -> list[str]:
    """The beginnings of some phrases: a text that has all phrases has these, too."""
    phrases = search_words.phrases(words)
    beginnings = []
    for phrase in phrases[:PHRASES_MAX]:
        first_words = phrase.split()[:PHRASE_MAX_WORDS]
        beginnings.append(" ".join(first_words))
    return list(dict.fromkeys(beginnings))  # each once


def _pattern_name(number: int) -> str:
    """The parameter with the pattern of the n-th phrase."""
    return f"pattern_{number}"


def _fts5_expression(words: str) -> str:
    """Words of a text as FTS5 reads them: each once, in quotation marks, all of them required."""
    words_once_each = dict.fromkeys(words.split())
    return " AND ".join(f'"{word}"' for word in words_once_each)


def _bounded(number: int) -> int:
    """A row number that SQLite can hold."""
    return max(-_ROW_NUMBER_MAX, min(number, _ROW_NUMBER_MAX))


def _joined_by_and(compared: Sequence[str]) -> str:
    """SQL that adds conditions to those of a statement."""
    return "\n  ".join(f"AND {condition}" for condition in compared)


def _union_of_walks(newest: Sequence[str]) -> str:
    walks = [f"SELECT * FROM ({sql}) AS walk" for sql in newest]
    return " UNION ALL ".join(walks)
