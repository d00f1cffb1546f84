"""Nothing that one caller says of our own address reaches another reader."""

import base64
import json
import re
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
import requests

from jobs.config.settings import load
from jobs.services import for_web
from receiver.app import create_app
from tests.harness import KEYS, CommandLine, Stack, all_jobs
from tests.harness.images import IMAGES
from tests.harness.notifications import NEW
from tests.harness.required_settings import SECRETS
from tests.harness.stack import QUICK_SECONDS
from tests.harness.visitor import Visitor
from tests.harness.watcher import Watcher
from tests.harness.webhook_receiver import Hook

SETTINGS = {"NOTIFY_SECRET": NEW, "NOTIFY_HOSTS": "*,127.0.0.1", "CALLBACK_GRACE": "1"}
NAMES = ("origin-canary.example", "127.0.0.9:99")  # only the second is told to a sandbox
IMAGE = base64.b64encode(IMAGES["image/jpeg"]).decode()
QUICK = {"seconds": QUICK_SECONDS}
INPUT = {"prompt": "p", "input_image": IMAGE, "sandbox": QUICK}
ENDLESS = {"/api/events", "/live", "/live/<job_id>"}
ELSEWHERE = {"/media/<token>", "/login/<token>", "/assets/<version>/<path:name>", "/logout"}
_OWN_LINK = re.compile(r"https?://([a-z0-9.:-]+)/(?:media|v1|api|webhooks|jobs|login)\b")


def claims(name: str) -> dict[str, str]:
    """Whatever a caller can say of our address."""
    return {
        "Host": name,
        "X-Forwarded-Host": name,
        "X-Forwarded-Server": name,
        "X-Forwarded-Prefix": f"/{name}",
        "X-Original-Host": name,
        "X-Original-URL": f"http://{name}/",
        "X-Host": name,
        "X-Real-IP": name,
        "SERVER_NAME": name,
        "Forwarded": f"for=192.0.2.1;host={name};proto=https",
        "Origin": f"http://{name}",
        "Referer": f"http://{name}/",
    }


@pytest.fixture(scope="module")
def hooks() -> Iterator[list[Hook]]:
    """The receivers of a job's `notify_url` and of a client's own webhook."""
    listening = [Hook(), Hook()]
    yield listening
    for hook in listening:
        hook.close()


@pytest.fixture(scope="module")
def jobs(stack: Stack, hooks: list[Hook]) -> list[str]:
    """The ids of stored jobs that were made under names that are not ours."""
    made: list[str] = []
    for name in NAMES:
        with ExitStack() as streams:
            # What is rendered for one reader may be cached for others.
            for path in ("/api/events", *[f"/api/jobs/{job_id}/events" for job_id in made]):
                streams.enter_context(_watcher(stack.installation.url + path, claims(name)))
            made += _made_under(name, stack, hooks)
            for job_id in made:
                assert stack.client.wait_for(job_id)["status"] == "stored"
    return made


def _watcher(url: str, headers: dict[str, str]) -> Watcher:
    watcher = Watcher(url, KEYS["submit"], "1-0", headers=headers)
    assert watcher.answer.ok
    return watcher


def _made_under(name: str, stack: Stack, hooks: list[Hook]) -> list[str]:
    def ask(method: str, path: str, **body: object) -> str:
        answer = requests.request(
            method,
            stack.installation.url + path,
            json=body,
            headers={"x-key": KEYS["submit"], **claims(name)},
            timeout=30,
        )
        answer.raise_for_status()
        return str(answer.json()["id"])

    to_app, to_client = (hook.url for hook in hooks)
    first = ask("POST", "/api/jobs", model="flux-2-pro", input=INPUT, notify_url=to_app)
    task = stack.generate()
    visitor = Visitor(stack.installation.url)
    fields = {"model": "flux-2-pro", "prompt": "p", "more": json.dumps({"sandbox": QUICK})}
    fields |= {"idempotency_key": name, "csrf_token": visitor.token("/submit")}
    form = requests.post(
        f"{stack.installation.url}/submit",
        data=fields,
        headers=_cookie(visitor) | claims(name),
        allow_redirects=False,
        timeout=30,
    )
    return [
        first,
        ask("POST", "/v1/flux-2-pro", **INPUT, webhook_url=to_client),
        ask("PUT", f"/api/jobs/{task.id}", notify_url=to_app),
        ask("POST", f"/api/jobs/{first}/repeats"),
        str(re.findall(r"job=([^&]+)", form.headers["Location"])[0]),
    ]


def _cookie(visitor: Visitor) -> dict[str, str]:
    """As a header: a jar has no cookie for another Host."""
    pairs = visitor.session.cookies.get_dict().items()
    return {"Cookie": "; ".join(f"{name}={value}" for name, value in pairs)}


@pytest.fixture(scope="module")
def rules(stack: Stack) -> list[str]:
    """Each path that is read."""
    app = create_app(for_web(load(SECRETS | {"REDIS_URL": stack.installation.redis.url})))
    rules = {rule.rule for rule in app.url_map.iter_rules() if "GET" in (rule.methods or ())}
    app.extensions["fluxkeep"].close()
    return sorted(rules - ELSEWHERE)


def _texts(rules: list[str], url: str, job_id: str) -> Iterator[tuple[str, str]]:
    """Each page and answer that a reader at this URL can get, by its path."""
    visitor = Visitor(url)
    for rule in rules:
        path = rule.replace("<job_id>", job_id)
        if rule in ENDLESS:
            with _watcher(url + path, _cookie(visitor)) as watcher:
                yield path, json.dumps([event.data for event in watcher.wait_for(1)])
        for key in ({"x-key": KEYS["submit"]}, {}) if rule not in ENDLESS else ():
            answer = visitor.session.get(
                url + path,
                params={"id": job_id, "again": job_id, "job": job_id},
                headers=key,
                allow_redirects=False,
                timeout=30,
            )
            assert answer.status_code < 500, path
            yield path, f"{answer.headers} {answer.text}"


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_links_begin_with_their_readers_own_host(
    stack: Stack, jobs: list[str], rules: list[str], host: str
) -> None:
    netloc, found = f"{host}:{stack.installation.ports[0]}", 0
    for job_id in jobs:
        for path, text in _texts(rules, f"http://{netloc}", job_id):
            assert not [name for name in NAMES if name in text], path
            names = set(_OWN_LINK.findall(text))
            assert names <= {netloc, "keep.example", "api.bfl.ai"}, path  # examples
            found += netloc in names
    assert found > 5 * len(jobs)


def test_notifications_and_the_command_line_name_no_callers_host(
    stack: Stack, hooks: list[Hook], jobs: list[str], shell: CommandLine
) -> None:
    hooks[0].called(4), hooks[1].called(2)
    told = [call.body.decode() for hook in hooks for call in hook.calls]
    told += [shell.run("jobs", "show", job_id).out for job_id in jobs]
    for text in told:
        assert not [name for name in NAMES if name in text]
        assert set(_OWN_LINK.findall(text)) == {f"127.0.0.1:{stack.installation.ports[0]}"}


def test_a_callers_host_is_written_nowhere(stack: Stack, jobs: list[str]) -> None:
    stored = stack.installation.stored_objects
    kept = [stored.read(key).decode() for key in stored.sizes() if key.endswith(".json")]
    with stack.installation.redis.client() as redis:
        records = all_jobs(redis)
    assert len(kept) >= len(jobs) and {record.id for record in records} >= set(jobs)
    for text in (*kept, *map(repr, records), stack.installation.logs()):
        assert NAMES[0] not in text
    for text in kept:
        assert NAMES[1] not in text
