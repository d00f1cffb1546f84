"""BFL's OpenAPI document: read once a day, and taken over if it makes sense.

A model or a field that BFL publishes is in the form without a release of ours; a wrong document
changes nothing.
"""

import logging
from dataclasses import replace

from jobs.bfl import model_names
from jobs.bfl.openapi_document import InvalidDocument, read_endpoints
from jobs.bfl.schema_differences import describe_differences
from jobs.domain.errors import BflUnavailable
from jobs.domain.timestamps import rfc3339
from jobs.net import lenient_json
from jobs.services import Services
from jobs.store.live_model_schemas import Schemas
from jobs.store.search_conditions import Search

CHECK_SECONDS = 5.0
DAY_SECONDS = 86_400
IN_USE_SECONDS = 7 * DAY_SECONDS  # BFL may withdraw a model that nobody has used for so long
LOST_MAX = 1 / 4  # of all models, at once
CHANGES_MAX = 20

log = logging.getLogger(__name__)


def read_if_due(services: Services) -> float:
    """Read the document if it is time; return the seconds until the next check."""
    settings = services.settings
    has_account = settings.has_sandbox or settings.has_bfl_key  # others cannot submit
    if settings.bfl_openapi and has_account and services.schemas.begin_read():
        present = services.schemas.load()
        try:
            services.schemas.save(_read(services, present), DAY_SECONDS)
        except (BflUnavailable, InvalidDocument) as error:
            log.warning("BFL's OpenAPI document is not taken over: %s", error)
            services.schemas.save(replace(present, problem=str(error)))
    return CHECK_SECONDS


def _read(services: Services, present: Schemas) -> Schemas:
    """Raises BflUnavailable, and InvalidDocument also if it lacks a model in use, or many."""
    document = lenient_json.load_object(services.bfl.openapi(), InvalidDocument)
    endpoints = dict(read_endpoints(document))
    now = services.store.now()
    missing_models = present.endpoints.keys() - endpoints.keys()
    is_model_in_use = any(_is_in_use(services, model, now) for model in missing_models)
    is_default_missing = model_names.DEFAULT in missing_models
    are_many_missing = len(missing_models) > LOST_MAX * len(present.endpoints)
    if is_default_missing or is_model_in_use or are_many_missing:
        names = ", ".join(sorted(missing_models)[:5])
        count = len(missing_models)
        raise InvalidDocument(f"it lacks {count} models, some of them in use: {names}")
    read_at = rfc3339(now)
    dated_changes = list[str]()
    for change in describe_differences(present.endpoints, endpoints):
        log.warning("BFL's OpenAPI document: %s", change)
        date = read_at[:10]
        dated_changes.append(f"{date}: {change}")
    dated_changes.extend(present.changes)
    return Schemas(endpoints, read_at, tuple(dated_changes[:CHANGES_MAX]))


def _is_in_use(services: Services, model: str, now: float) -> bool:
    recent_jobs = Search(model=model, since=now - IN_USE_SECONDS)
    page = services.listing.page(recent_jobs, 1, None)
    return bool(page.jobs)
