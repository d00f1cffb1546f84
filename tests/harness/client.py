"""A user of the HTTP surface, and BFL as far as it calls back."""

import hashlib
import hmac
import json
from typing import Any

import requests

from tests.harness.patience import wait_for

TIMEOUT_SECONDS = 60.0
TERMINAL = frozenset({"stored", "moderated", "failed", "expired", "lost"})


class Client:
    """Requests to one installation with one of its keys; answers come as they are."""

    def __init__(self, url: str, key: str = "", secret: str = "") -> None:
        self.url = url
        self._secret = secret
        self.session = requests.Session()
        self.session.trust_env = False
        if key:
            self.session.headers["Authorization"] = f"Bearer {key}"

    def close(self) -> None:
        self.session.close()

    def request(self, method: str, path: str, **options: Any) -> requests.Response:
        """`path` may be a whole URL, as media links are."""
        url = path if path.startswith("http") else self.url + path
        options.setdefault("timeout", TIMEOUT_SECONDS)
        return self.session.request(method, url, allow_redirects=False, **options)

    def get(self, path: str, **query: Any) -> requests.Response:
        return self.request("GET", path, params=query)

    # Jobs.

    def put_job(self, task_id: str, **body: Any) -> requests.Response:
        return self.request("PUT", f"/api/jobs/{task_id}", json=body)

    def submit(self, model: str = "flux-2-pro", **given: Any) -> dict[str, Any]:
        """The new job that Fluxkeep submits with this input."""
        return _body(self.request("POST", "/api/jobs", json={"model": model, "input": given}))

    def job(self, job_id: str) -> dict[str, Any]:
        """Raises requests.HTTPError for anything but 200."""
        return _body(self.get(f"/api/jobs/{job_id}"))

    def find(self, job_id: str) -> dict[str, Any] | None:
        """The job, or None as long as nobody knows it."""
        answer = self.get(f"/api/jobs/{job_id}")
        return None if answer.status_code == requests.codes.not_found else _body(answer)

    def jobs(self, **query: Any) -> list[dict[str, Any]]:
        """One page."""
        found: list[dict[str, Any]] = _body(self.get("/api/jobs", **query))["jobs"]
        return found

    def wait_for(self, job_id: str, *status: str, timeout: float = 20.0) -> dict[str, Any]:
        """The job once it has one of these states (without one named: any terminal state).

        Connections that fail meanwhile are tried again: tests break the processes behind them.
        """
        wanted = frozenset(status) or TERMINAL
        last: dict[str, Any] | None = None

        def probe() -> dict[str, Any] | None:
            nonlocal last
            try:
                last = self.find(job_id) or last
            except requests.RequestException:
                return None
            return last if last and last["status"] in wanted else None

        try:
            return wait_for(f"job {job_id} {'/'.join(sorted(wanted))}", probe, timeout)
        except TimeoutError as error:
            raise TimeoutError(f"{error}; last seen: {json.dumps(last)}") from None

    def media(self, job: dict[str, Any], n: int = 0) -> bytes:
        """The bytes of a job's n-th file, by its link."""
        # Without our key, and on to the bucket where that is where they are.
        answer = requests.get(job["media"][n]["url"], timeout=TIMEOUT_SECONDS)
        answer.raise_for_status()
        return answer.content

    # Callbacks.

    def callback(
        self,
        body: dict[str, Any] | bytes,
        auth: str = "secret",
        path: str = "/webhooks/bfl",
        **headers: str,
    ) -> requests.Response:
        """`auth` is `secret`, `signature`, `both`, `none` or `wrong`."""
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        secret = "not the secret" if auth == "wrong" else self._secret
        digest = hmac.new(secret.encode(), raw, hashlib.sha256).hexdigest()
        proof = {}
        if auth in ("secret", "both", "wrong"):
            proof["X-Webhook-Secret"] = secret
        if auth in ("signature", "both"):
            proof["X-BFL-Signature"] = f"sha256={digest}"
        kind = {"Content-Type": "application/json"}
        # BFL has none of our keys.
        return requests.post(
            self.url + path, data=raw, headers=kind | proof | headers, timeout=TIMEOUT_SECONDS
        )


def _body(answer: requests.Response) -> dict[str, Any]:
    answer.raise_for_status()
    body: dict[str, Any] = answer.json()
    return body
