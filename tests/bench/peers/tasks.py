"""Download of an image by RQ and requests: verified, synced and recorded as Fluxkeep does it."""

import base64
import hashlib
import json
import os
import time
from pathlib import Path
from typing import Any

import requests
from redis import Redis

redis = Redis.from_url(os.environ["REDIS_URL"])
media = Path(os.environ["MEDIA"])


def rescue(report: dict[str, Any]) -> None:
    job_id = report["id"]
    answer = requests.get(report["result"]["sample"], timeout=30)
    answer.raise_for_status()
    body = answer.content
    md5 = base64.b64encode(hashlib.md5(body, usedforsecurity=False).digest()).decode()
    if md5 != answer.headers["Content-MD5"]:
        raise ValueError("wrong MD5")
    sha256, now = hashlib.sha256(body).hexdigest(), time.time()
    facts: dict[Any, Any] = {"status": "stored", "bytes": len(body), "sha256": sha256}
    facts |= {"id": job_id, "ended_at": now}
    _write(media / f"{job_id}.json", json.dumps(facts).encode())
    _write(media / f"{job_id}.jpeg", body)
    directory = os.open(media, os.O_RDONLY)
    os.fsync(directory)
    os.close(directory)
    redis.hset(f"job:{job_id}", mapping=facts)
    redis.zadd("jobs:stored", {job_id: now})


def _write(path: Path, body: bytes) -> None:
    part = path.with_suffix(".part")
    with part.open("wb") as file:
        file.write(body)
        file.flush()
        os.fsync(file.fileno())
    part.rename(path)
