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
        known = services.schemas.load()
        try:
            services.schemas.save(_read(services, known), DAY_SECONDS)
        except (BflUnavailable, InvalidDocument) as error:
            log.warning("BFL's OpenAPI document is not taken over: %s", error)
            services.schemas.save(replace(known, problem=str(error)))
    return CHECK_SECONDS


def _read(services: Services, known: Schemas) -> Schemas:
    """Raises BflUnavailable, and InvalidDocument also if it lacks a model in use, or many."""
    document = lenient_json.load_object(services.bfl.openapi(), InvalidDocument)
    found, now, listing = read_endpoints(document), services.store.now(), services.listing
    lost = known.endpoints.keys() - found.keys()
    recent = {model: Search(model=model, since=now - IN_USE_SECONDS) for model in lost}
    in_use = [model for model in recent if listing.page(recent[model], 1, None).jobs]
    if model_names.DEFAULT in lost or in_use or len(lost) > LOST_MAX * len(known.endpoints):
        names = ", ".join(sorted(lost)[:5])
        raise InvalidDocument(f"it lacks {len(lost)} models, some of them in use: {names}")
    at, changes = rfc3339(now), [*describe_differences(known.endpoints, found)]
    for change in changes:
        log.warning("BFL's OpenAPI document: %s", change)
    dated = (*(f"{at[:10]}: {change}" for change in changes), *known.changes)
    return Schemas({**found}, at, dated[:CHANGES_MAX])
