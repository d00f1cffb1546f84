"""Welcome message of `make run`: addresses, keys, three examples, and one sample generation."""

import threading
from typing import Any

import requests

from deploy.dev_settings import DevSettings
from jobs.signing import LOGIN_SECONDS, LoginSigner

MODEL = "flux-2-pro"
PROMPT = "a lighthouse at dawn"
UNFINISHED = ("queued", "submitted", "ready")
TIMEOUT_SECONDS = 5.0
PAUSE_SECONDS = 0.25


class Welcome:
    """A thread that prints the message as soon as the web process answers."""

    def __init__(self, given: DevSettings) -> None:
        self._given = given
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="welcome", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopped.set()
        if self._thread.ident is not None:
            self._thread.join()

    def _run(self) -> None:
        while not self._is_healthy():
            if self._stopped.wait(PAUSE_SECONDS):
                return
        print(message(self._given), flush=True)  # noqa: T201 - it is for the person who started it
        if self._given.sandbox_url:
            print(self._sample(), flush=True)  # noqa: T201 - the same

    def _is_healthy(self) -> bool:
        try:
            return requests.get(f"{self._given.url}/healthz", timeout=TIMEOUT_SECONDS).ok
        except requests.RequestException:
            return False

    def _sample(self) -> str:
        """Submit one job and wait for its end."""
        body = {"model": MODEL, "input": {"prompt": PROMPT}, "metadata": {"sample": "make run"}}
        try:
            job = self._ask("POST", "/api/jobs", body)
            while job["status"] in UNFINISHED and not self._stopped.wait(PAUSE_SECONDS):
                job = self._ask("GET", f"/api/jobs/{job['id']}")
        except requests.RequestException as error:
            return f"Sample: broken off ({type(error).__name__})"
        return (
            f"Sample: {job['status']}, {job['media'][0]['url'] if job['media'] else job['error']}"
        )

    def _ask(self, method: str, path: str, body: Any = None) -> dict[str, Any]:
        headers = {"x-key": self._given.key("submit")}
        url = self._given.url + path
        answer = requests.request(method, url, json=body, headers=headers, timeout=TIMEOUT_SECONDS)
        answer.raise_for_status()
        job: dict[str, Any] = answer.json()
        return job


def message(given: DevSettings) -> str:
    # Only keys that were made for this machine are shown: others may open other doors.
    admin, app = (given.key("admin"), given.key("submit")) if given.made_keys else ("", "")
    keys = [f"  admin key   {admin}", f"  app key     {app} (scope submit)"]
    bfl = f"{given.sandbox_url} is a sandbox that stands in for it: BFL_API_KEY is not set"
    return "\n".join(
        [
            "",
            f"Fluxkeep is running at {given.url}",
            "",
            *(keys if given.made_keys else ["  keys        as set in API_KEYS"]),
            *([f"  BFL         {bfl}"] if given.sandbox_url else []),
            "  commands    .venv/bin/flask --app receiver jobs list",
            "  shell       . var/run.env (sets the variables of README.md)",
            "",
            *_examples(given, app or "$FLUXKEEP_KEY"),
            "",
            f"  dashboard   {_login_link(given)}",
            "Ctrl-C stops everything.",
            "",
        ]
    )


def _examples(given: DevSettings, app: str) -> list[str]:
    """One curl for each way to use Fluxkeep."""
    secret = given.settings.webhook_secret[0].get_secret_value() if given.made_keys else "…"
    bfl = given.sandbox_url or given.settings.bfl_origin
    bfl_key = "any" if given.sandbox_url else "$BFL_API_KEY"
    webhook = (
        f'"webhook_url": "{given.settings.base_url}/webhooks/bfl", "webhook_secret": "{secret}"'
    )
    json = "-H 'content-type: application/json'"
    return [
        "1. Submit to BFL yourself, with Fluxkeep as the webhook; announce the task if you like:",
        f"""  curl -H "x-key: {bfl_key}" {json} {bfl}/v1/{MODEL} \\""",
        f"""    -d '{{"prompt": "{PROMPT}", {webhook}}}'""",
        f"""  curl -X PUT -H "x-key: {app}" {given.url}/api/jobs/<id>""",
        "2. Let Fluxkeep submit:",
        f"""  curl -H "x-key: {app}" {json} {given.url}/api/jobs \\""",
        f"""    -d '{{"model": "{MODEL}", "input": {{"prompt": "{PROMPT}"}}}}'""",
        "3. Use any BFL client with its base URL changed:",
        f"""  curl -H "x-key: {app}" {json} {given.url}/v1/{MODEL} \\""",
        f"""    -d '{{"prompt": "{PROMPT}"}}'""",
    ]


def _login_link(given: DevSettings) -> str:
    """A link that logs in once."""
    admin = next((one for one in given.settings.api_keys if one.scope == "admin"), None)
    if admin is None:
        return given.url
    token = LoginSigner(given.settings.secret_key).sign(admin.name)
    minutes = LOGIN_SECONDS // 60
    return f"{given.settings.base_url}/login/{token} (logs in once, within {minutes} minutes)"
