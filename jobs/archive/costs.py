"""Costs of archived jobs, summed by the database."""

from typing import Any, NamedTuple

from jobs.archive import rows, statements
from jobs.archive.database import Database, ForeignText, QueryRefused, Transaction
from jobs.domain.budgets import CREDITS_MAX
from jobs.domain.errors import InvalidField
from jobs.domain.status import Status

_NO_NAME = "\x7f no entry has this name \x7f"

_COSTS = statements.read("costs")
_COSTS_BY_ENTRY = statements.read("costs_by_entry")
_COUNT_CREATED = statements.read("count_created")

# An absurd cost must not overflow the sum, as in the books.
_CREDITS = f"""
    CASE
      WHEN cost > {CREDITS_MAX} THEN {CREDITS_MAX}
      WHEN cost < -{CREDITS_MAX} THEN -{CREDITS_MAX}
      ELSE cost
    END
"""
_WITHOUT_PRICE = f"""
    CASE
      WHEN cost IS NULL
        AND status IN ('{Status.STORED}', '{Status.EXPIRED}', '{Status.LOST}')
      THEN 1
      ELSE 0
    END
"""
_CREATED_IN = "jobs.created_at >= :since AND jobs.created_at < :until"


class Created(NamedTuple):
    """Jobs created in a time, of one API key or of all."""

    since: float
    until: float
    owner: str | None

    @property
    def condition(self) -> str:
        if self.owner is None:
            return _CREATED_IN
        return f"jobs.key = :owner AND {_CREATED_IN}"

    @property
    def parameters(self) -> dict[str, Any]:
        return {"since": self.since, "until": self.until, "owner": rows.clean(self.owner)}


class EntryCosts(NamedTuple):
    """Costs of the jobs of a day, counted from 1970, with one value of a metadata entry."""

    day: int
    model: str | None
    key: str | None
    value: str | None
    credits: float
    jobs_without_price: int


def by_model_and_key(run: Transaction, created: Created) -> list[tuple[Any, ...]]:
    """Model, key, credits and jobs without a price."""
    sql = _COSTS.format(
        credits=_CREDITS, without_price=_WITHOUT_PRICE, created_in=created.condition
    )
    return run(sql, created.parameters)


def count_jobs(run: Transaction, created: Created, most: int) -> list[tuple[Any, ...]]:
    """One row with the number of jobs, `most` at most."""
    parameters = created.parameters
    parameters["most"] = most
    return run(_COUNT_CREATED.format(created_in=created.condition), parameters)


def by_entry(database: Database, name: str, created: Created, most: int) -> list[EntryCosts]:
    """Costs by the value of a metadata entry; `most` at most. Raises QueryTooLong."""
    sums = _sums_by_entry(database, name, created, most)
    costs: dict[tuple[Any, ...], EntryCosts] = {}
    for day, model, key, kind, atom, price, without_price in sums:
        # 1 and "1" are one value to a search, and two to a database.
        value = database.metadata_entry.read(kind, atom)
        place = (int(day), model, key, value)
        costs_before = costs.get(place)
        if costs_before is None:
            costs[place] = EntryCosts(int(day), model, key, value, price, int(without_price))
        else:
            costs[place] = costs_before._replace(
                credits=costs_before.credits + price,
                jobs_without_price=costs_before.jobs_without_price + int(without_price),
            )
    return list(costs.values())


def _sums_by_entry(
    database: Database, name: str, created: Created, most: int
) -> list[tuple[Any, ...]]:
    entry = database.metadata_entry
    sql = _COSTS_BY_ENTRY.format(
        day=entry.day,
        join=entry.join,
        credits=_CREDITS,
        without_price=_WITHOUT_PRICE,
        created_in=created.condition,
    )
    parameters = created.parameters
    parameters["most"] = most
    parameters["entry_name"] = rows.clean(name)
    try:
        try:
            return database.transact_in_time(lambda run: run(sql, parameters))
        except ForeignText:  # then no entry in any row has this name
            parameters["entry_name"] = _NO_NAME
            return database.transact_in_time(lambda run: run(sql, parameters))
    except ForeignText:  # then no job is of this API key
        return []
    except QueryRefused:
        raise InvalidField("by", "the database cannot read the metadata") from None
