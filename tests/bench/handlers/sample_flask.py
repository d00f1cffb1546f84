"""The handler that BFL's docs show: verify, then download before answering."""

import hashlib
import hmac
import os
from pathlib import Path

import requests
from flask import Flask, jsonify, request
from flask.typing import ResponseReturnValue

SECRET = os.environ["WEBHOOK_SECRET"]
MEDIA = Path(os.environ["BENCH_MEDIA"])

app = Flask(__name__)


@app.post("/webhooks/bfl")
def apply_report() -> ResponseReturnValue:
    body = request.get_data()
    digest = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
    if not hmac.compare_digest(request.headers.get("X-BFL-Signature", ""), f"sha256={digest}"):
        return jsonify(error="invalid signature"), 401
    report = request.get_json()
    picture = requests.get(report["result"]["sample"], timeout=30)
    (MEDIA / f"{report['id']}.jpg").write_bytes(picture.content)
    return jsonify(status="ok")


@app.get("/healthz")
def alive() -> ResponseReturnValue:
    return jsonify(status="ok")
