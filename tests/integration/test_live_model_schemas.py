"""BFL's document is read once a day: what is new is in use, what is wrong changes nothing."""

import json
import zlib
from dataclasses import replace
from typing import Any

import pytest

from jobs.bfl import openapi_document
from jobs.services import Services
from jobs.store.live_model_schemas import LiveSchemas, Schemas
from jobs.store.redis.client import StoreClient
from jobs.store.redis.keys import BFL_SCHEMAS, BFL_SCHEMAS_READ
from receiver.checks import bfl as bfl_checks
from receiver.checks.context import Context
from receiver.checks.result import Grade, Result
from tests.harness.local_worker import LocalWorker
from tests.sandbox.document import Document
from tests.unit.test_model_schemas import HOSTILE
from worker.periodic.bfl_schemas import CHECK_SECONDS, read_if_due

DAY = 86_400
PUBLIC = Document.shipped().public()


def document() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(PUBLIC)
    return found


def with_news() -> dict[str, Any]:
    """A new model, and a field that was renamed."""
    changed = document()
    changed["paths"]["/v1/flux-9"] = changed["paths"]["/v1/flux-2-pro"]
    video = changed["components"]["schemas"]["Flux3VideoV2VInputs"]
    video["required"] = ["prompt", "mode", "first_video"]
    video["properties"]["first_video"] = video["properties"].pop("start_video")
    return changed


def publish(worker: LocalWorker, changed: Any) -> None:
    body = changed if isinstance(changed, bytes) else json.dumps(changed).encode()
    worker.sandbox.publish(body)
    read(worker.services)


def read(services: Services) -> None:
    """A day later."""
    services.redis.delete(BFL_SCHEMAS_READ)
    assert read_if_due(services) == CHECK_SECONDS


def another(worker: LocalWorker) -> LiveSchemas:
    """Those of another process."""
    return LiveSchemas(StoreClient(worker.services.redis), is_live=True)


def checked(services: Services) -> Result:
    (found,) = bfl_checks.check_schemas(Context(services.settings, services))
    return found


def without(*models: str) -> dict[str, Any]:
    changed = document()
    for model in models:
        del changed["paths"][f"/v1/{model}"]
    return changed


def test_a_new_model_and_a_renamed_field_are_in_use_after_one_reading(worker: LocalWorker) -> None:
    services = worker.services
    publish(worker, with_news())
    for documents in (services.schemas, another(worker)):
        found = documents.load()
        assert "flux-9" in found.endpoints
        assert "first_video" in found.endpoints["flux-3-video"].modes["v2v"].fields
    changes = [change.partition(": ")[2] for change in found.changes]
    assert changes == ["flux-3-video v2v start_video is now first_video", "flux-9 is new"]
    shown = checked(services)
    assert shown.grade is Grade.OK and "flux-9 is new" in shown.why


def test_no_key_is_sent_and_one_reading_a_day_is_enough(worker: LocalWorker) -> None:
    for _ in range(3):
        read_if_due(worker.services)
    found = worker.services.schemas.load()
    assert found.endpoints == openapi_document.shipped_endpoints() and found.read_at
    assert "flux-2-klein-9b-finetuned" in found.endpoints, "what BFL describes elsewhere stays"
    (seen,) = [one for one in worker.sandbox.requests if one.path == "/openapi.json"]
    assert not seen.has_key and "authorization" not in seen.headers
    assert 86_000 < worker.redis.ttl(BFL_SCHEMAS_READ) <= DAY
    publish(worker, b"{")
    assert 3500 < worker.redis.ttl(BFL_SCHEMAS_READ) <= 3600, "a failed one is repeated"
    worker.sandbox.stop()
    read(worker.services)
    found = worker.services.schemas.load()
    assert found.endpoints == openapi_document.shipped_endpoints() and found.problem


def test_what_redis_holds_is_small(worker: LocalWorker) -> None:
    described = with_news()
    for one in described["components"]["schemas"].values():
        one["description"] = "A long text of BFL. " * 500
    publish(worker, described)
    held = worker.redis.get(BFL_SCHEMAS)
    assert b"A long text" not in zlib.decompress(held)
    assert len(held) < 4096


# What BFL answers over TLS is read as leniently as it can be.
READABLE = {"a name twice", "UTF-16"}
WRONG: dict[str, Any] = {
    **{name: body for name, body in HOSTILE.items() if name not in READABLE},
    "a document of 50 MB": document() | {"x-filler": "x" * 50_000_000},
    "no models": document() | {"paths": {}},
    "half of the models": without(*list(Document(document()).models)[:12]),
    "without the usual model": without("flux-2-pro"),
}


@pytest.mark.parametrize("body", WRONG.values(), ids=WRONG)
def test_a_wrong_document_changes_nothing_and_is_told(worker: LocalWorker, body: Any) -> None:
    services = worker.services
    publish(worker, with_news())
    before = services.schemas.load()
    publish(worker, body)
    after = another(worker).load()
    assert replace(after, problem="") == before and after.problem
    shown = checked(services)
    assert shown.grade is Grade.WARNING and after.problem in shown.why
    assert "<" not in shown.why
    publish(worker, with_news())
    assert checked(services).grade is Grade.OK


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
def test_a_document_in_an_odd_encoding_is_in_use(worker: LocalWorker, encoding: str) -> None:
    publish(worker, json.dumps(with_news()).encode(encoding))
    schemas = another(worker).load()
    assert "flux-9" in schemas.endpoints and not schemas.problem


def test_a_model_that_was_used_this_week_cannot_be_lost(worker: LocalWorker) -> None:
    services = worker.services
    worker.post("a", "flux-dev")
    worker.work()
    publish(worker, without("flux-dev"))
    assert "flux-dev" in services.schemas.load().endpoints
    services.store.delete(worker.job("a"))
    read(services)
    found = services.schemas.load()
    assert "flux-dev" not in found.endpoints and "flux-dev is gone" in found.changes[0]


def test_without_redis_the_models_stay_as_they_were(worker: LocalWorker) -> None:
    services = worker.services
    publish(worker, with_news())
    documents = another(worker)
    assert "flux-9" in documents.endpoints()
    services.redis.shutdown(nosave=True)
    documents._refresh_at = 0.0  # noqa: SLF001 - half a minute later
    assert "flux-9" in documents.endpoints()


@pytest.mark.parametrize("worker_settings", [{"BFL_OPENAPI": "no"}])
def test_it_can_be_switched_off(worker: LocalWorker) -> None:
    services = worker.services
    another(worker).save(Schemas({}, read_at="2999-01-01", problem="of before"))
    assert services.schemas.load() == Schemas(openapi_document.shipped_endpoints())
    read_if_due(services)
    assert not [one for one in worker.sandbox.requests if one.path == "/openapi.json"]
    shown = checked(services)
    assert shown.grade is Grade.OK and "BFL_OPENAPI" in shown.why
