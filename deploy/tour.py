"""What `make run` tells the person who started it, and the sample that it shows."""

import threading

import requests

from deploy.console import Console
from deploy.plan import Plan
from deploy.sample import App

PAUSE_SECONDS = 0.2


class Tour:
    """Runs beside the supervisor until it has said everything, or is told to stop."""

    def __init__(self, console: Console, plan: Plan) -> None:
        self._say = console.say
        self._plan = plan
        key = plan.settings.api_keys[0].key.get_secret_value()
        secret = plan.settings.webhook_secret[0].get_secret_value()
        self._app = App(plan.url, key, secret)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="tour", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join()

    def _run(self) -> None:
        while not self._app.healthy():
            if self._stop.wait(PAUSE_SECONDS):
                return
        for line in self._welcome():
            self._say(line)
        if self._plan.sandbox is not None:
            self._show_sample(self._plan.sandbox.url)

    def _welcome(self) -> list[str]:
        # Only a key that was made for this machine is shown: another may open another door.
        made_here = self._plan.keys_made_here
        key = self._app.key if made_here else "$KEY"
        shown = f"{key} (made here, kept in var/dev.env)" if made_here else "as set"
        return [
            "",
            f"Fluxkeep is running at {self._app.url}",
            f"  admin key    {shown}",
            f"  webhook_url  {self._app.url}/webhooks/bfl (BFL itself needs a public address)",
            *self._sandbox_lines(),
            "  what became of everything:",
            f"    curl -H 'x-key: {key}' {self._app.url}/api/jobs",
            "Ctrl-C stops everything.",
            "",
        ]

    def _sandbox_lines(self) -> list[str]:
        if self._plan.sandbox is None:
            return []
        body = '{"prompt": "a lighthouse"}'
        return [
            f"  sandbox      {self._plan.sandbox.url} stands in for BFL: there is no BFL_API_KEY",
            "  one more generation:",
            f"    curl -H 'x-key: any' -d '{body}' {self._plan.sandbox.url}/v1/flux-2-pro",
        ]

    def _show_sample(self, sandbox_url: str) -> None:
        try:
            job_id = self._app.generate(sandbox_url)
            self._say(f"Sample: the sandbox is generating {job_id}")
            job = self._app.outcome(job_id, self._stop)
        except requests.RequestException as error:
            if not self._stop.is_set():
                self._say(f"Sample: broken off ({type(error).__name__}); try the curl above")
            return
        where = job["media"][0]["url"] if job["media"] else job["error"]
        self._say(f"Sample: {job['status']}, {where}")
