"""Requests to the API of the sandbox."""

from typing import Any

import requests

from tests.sandbox import Sandbox

KEY = {"x-key": "any"}
QUICK = 0.02


def submitted(sandbox: Sandbox, model: str = "flux-2-pro", /, **body: Any) -> requests.Response:
    body = {"prompt": "a heron"} | body
    return requests.post(f"{sandbox.url}/v1/{model}", json=body, headers=KEY, timeout=30)
