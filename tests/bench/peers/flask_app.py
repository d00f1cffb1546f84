"""Flask and RQ as tutorials write them: verify a callback, record it, enqueue its download."""

import hashlib
import hmac
import os
import time

from flask import Flask, abort, request
from redis import Redis
from rq import Queue

from tests.bench.peers.tasks import rescue

SECRET = os.environ["WEBHOOK_SECRET"].encode()

app = Flask(__name__)
redis = Redis.from_url(os.environ["REDIS_URL"])
rescues = Queue("rescues", connection=redis)


@app.get("/healthz")
def health() -> dict[str, str]:
    return {"status": "ok"}


@app.post("/webhooks/bfl")
def receive() -> dict[str, str]:
    digest = hmac.new(SECRET, request.get_data(), hashlib.sha256).hexdigest()
    if not hmac.compare_digest(request.headers.get("X-BFL-Signature", ""), f"sha256={digest}"):
        abort(401)
    report = request.get_json()
    job_id: str = report["id"]
    redis.hset(f"job:{job_id}", mapping={"status": "ready", "created_at": time.time()})
    rescues.enqueue(rescue, report, job_id=job_id)
    return {"id": job_id}
