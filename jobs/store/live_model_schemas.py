"""Schemas of BFL's live document: the last good ones, what changed, and why some were refused."""

import time
import zlib
from contextlib import suppress

from pydantic import TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from jobs.bfl import openapi_document
from jobs.bfl.model_schemas import Endpoint, Endpoints
from jobs.domain.errors import StoreUnavailable
from jobs.store.redis.client import StoreClient
from jobs.store.redis.keys import BFL_SCHEMAS, BFL_SCHEMAS_READ

RETRY_SECONDS = 3600
MAX_AGE_SECONDS = 30.0


@dataclass(frozen=True)
class Schemas:
    """The models in use; `read_at` is empty where they are those of this release."""

    endpoints: dict[str, Endpoint]
    read_at: str = ""
    changes: tuple[str, ...] = ()  # each with its day, the newest first
    problem: str = ""


_JSON = TypeAdapter(Schemas)


class LiveSchemas:
    """The schemas of the installation; compressed they take some 2 kB. Raises StoreUnavailable."""

    def __init__(self, redis: StoreClient, *, is_live: bool) -> None:
        self._redis = redis
        self._is_live = is_live
        self._endpoints = openapi_document.shipped_endpoints()
        self._refresh_at = 0.0

    def endpoints(self) -> Endpoints:
        """The models as of half a minute ago at most; while Redis is away, as they were."""
        if time.monotonic() >= self._refresh_at:
            self._refresh_at = time.monotonic() + MAX_AGE_SECONDS
            with suppress(StoreUnavailable):
                self._endpoints = self.load().endpoints
        return self._endpoints

    def load(self) -> Schemas:
        """The live schemas, or those of this release where it is newer than the document read."""
        schemas = Schemas({})
        compressed = None
        if self._is_live:
            compressed = self._redis.get(BFL_SCHEMAS)
        if compressed:
            with suppress(ValidationError):  # of another release
                schemas = _JSON.validate_json(zlib.decompress(compressed))
        if schemas.read_at >= openapi_document.shipped_document()["x-as-of"]:
            return schemas
        return Schemas(dict(openapi_document.shipped_endpoints()), problem=schemas.problem)

    def begin_read(self) -> bool:
        """Whether the document is to be read now, by this process; if so, not for another hour."""
        return bool(self._redis.set(BFL_SCHEMAS_READ, "", nx=True, ex=RETRY_SECONDS))

    def save(self, schemas: Schemas, next_read_seconds: int = RETRY_SECONDS) -> None:
        self._redis.set(BFL_SCHEMAS, zlib.compress(_JSON.dump_json(schemas), 9))
        self._redis.expire(BFL_SCHEMAS_READ, next_read_seconds)
