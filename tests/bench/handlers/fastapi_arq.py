"""FastAPI and arq, under uvicorn."""

import hashlib
import hmac
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from arq import create_pool
from arq.connections import RedisSettings
from fastapi import FastAPI, HTTPException, Request

SECRET = os.environ["WEBHOOK_SECRET"].encode()


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    app.state.queue = await create_pool(RedisSettings.from_dsn(os.environ["REDIS_URL"]))
    yield


app = FastAPI(lifespan=lifespan)


@app.post("/webhooks/bfl")
async def apply_report(request: Request) -> dict[str, Any]:
    body = await request.body()
    digest = hmac.new(SECRET, body, hashlib.sha256).hexdigest()
    given = request.headers.get("x-bfl-signature", "")
    if not hmac.compare_digest(given.encode(), f"sha256={digest}".encode()):
        raise HTTPException(401)
    report = json.loads(body)
    # arq drops a second job with the same id.
    await app.state.queue.enqueue_job("rescue", report, _job_id=report["id"])
    return {"id": report["id"]}


@app.get("/healthz")
async def alive() -> dict[str, str]:
    return {"status": "ok"}
