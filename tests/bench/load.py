"""Load generator wrk with distinct signed callbacks."""

import hashlib
import hmac
import json
import re
import secrets
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

BODIES = 15_000
DELIVERY = "https://delivery-eu1.bfl.ai"
SIGNED = "se=2036-01-31T00%3A10%3A00Z&sp=r&sv=2024-11-04&sr=b&rsct=image/jpeg&sig=MTIzNDU2Nzg5"
SCRIPT = Path(__file__).with_name("callbacks.lua")


class Result(NamedTuple):
    """Answers per second, latencies in milliseconds, and the number of answers other than 2xx."""

    rate: float
    p50: float
    p99: float
    refused: int


def write_callbacks(path: Path, secret: str, count: int = BODIES, delivery: str = DELIVERY) -> None:
    """Write one callback per line after its signature, each for another task."""
    run = secrets.token_hex(6)
    with path.open("w") as file:
        for n in range(count):
            task_id = f"{run}-{n:06d}-0000-0000-000000000000"
            file.write(signed(report(task_id, delivery), secret))


def signed(report: dict[str, Any], secret: str) -> str:
    """A line with a callback after its signature."""
    body = json.dumps(report)
    return f"{hmac.new(secret.encode(), body.encode(), hashlib.sha256).hexdigest()} {body}\n"


def report(task_id: str, delivery: str = DELIVERY) -> dict[str, Any]:
    """Body of a callback for a finished image."""
    result = {
        "sample": f"{delivery}/results/{task_id}/sample.jpeg?{SIGNED}",
        "prompt": "a lighthouse in the fog, seen from a small boat at dawn",
        "seed": 42,
        "start_time": 1795267466.27,
        "end_time": 1795267470.91,
        "duration": 4.64,
    }
    return {"id": task_id, "status": "Ready", "result": result}


def run(url: str, callbacks: Path, *, connections: int = 16, seconds: int = 5) -> Result:
    """Send the callbacks of a file. Raises SystemExit without wrk."""
    options = [f"-c{connections}", f"-d{seconds}s", "--latency", "-s", str(SCRIPT), url]
    wrk = shutil.which("wrk") or sys.exit("The benchmarks need wrk (apt-get install wrk).")
    command = [wrk, "-t1", *options, "--", str(callbacks)]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    rate = re.search(r"Requests/sec:\s+([\d.]+)", text)
    assert rate is not None, text
    refused = re.search(r"Non-2xx or 3xx responses: (\d+)", text)
    p50, p99 = (_milliseconds(text, percentile) for percentile in ("50%", "99%"))
    return Result(float(rate[1]), p50, p99, int(refused[1]) if refused else 0)


def _milliseconds(text: str, percentile: str) -> float:
    found = re.search(rf"{percentile}\s+([\d.]+)(us|ms|s)\b", text)
    assert found is not None, text
    return float(found[1]) * {"us": 0.001, "ms": 1.0, "s": 1000.0}[found[2]]
