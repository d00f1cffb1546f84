"""One trace from callback, or submission, to stored: the collector is a server of this test."""

import gzip
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.procfile import ROOT, environment
from jobs import settings
from jobs.errors import InvalidSettings
from tests.harness import reporting
from tests.harness.hook import Hook
from tests.harness.installation import DEFAULTS
from tests.harness.patience import wait_for
from tests.harness.scene import Scene, running_scene

CALLERS_TRACE = "0af7651916cd43dd8448eb211c80319c"
TRACEPARENT = f"00-{CALLERS_TRACE}-b7ad6b7169203331-01"

Spans = dict[tuple[str, str], str]

Exported = reporting.load(
    "opentelemetry.proto.collector.trace.v1.trace_service_pb2"
).ExportTraceServiceRequest


@pytest.fixture(scope="module")
def collector() -> Iterator[Hook]:
    hook = Hook()
    yield hook
    hook.close()


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory, collector: Hook) -> Iterator[Scene]:
    variables = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{collector.port}",
        "OTEL_BSP_SCHEDULE_DELAY": "100",
        **reporting.VARIABLES,
    }
    with running_scene(tmp_path_factory.mktemp("tracing"), None, None, **variables) as running:
        yield running


def spans_of(collector: Hook, job_id: str) -> Spans:
    """The trace of each span about a job, by process and name."""
    found: Spans = {}
    for call in list(collector.calls):
        body = gzip.decompress(call.body) if call.headers.get("Content-Encoding") else call.body
        for group in Exported.FromString(body).resource_spans:
            process = {one.key: one.value.string_value for one in group.resource.attributes}
            for scope in group.scope_spans:
                for span in scope.spans:
                    about = {one.key: one.value.string_value for one in span.attributes}
                    if about.get("fluxkeep.job") == job_id:
                        place = process["fluxkeep.process"], span.name
                        found[place] = span.trace_id.hex()
    return found


def story(collector: Hook, job_id: str, *wanted: tuple[str, str]) -> Spans:
    def told() -> Spans | None:
        found = spans_of(collector, job_id)
        return found if set(wanted) <= set(found) else None

    return wait_for(f"the spans of {job_id}", told, 20)


def test_a_callback_and_its_rescue_are_one_trace(scene: Scene, collector: Hook) -> None:
    task = scene.generate()
    scene.stored(task)
    found = story(collector, task.id, ("web", "callback"), ("worker", "rescue"))
    assert len(set(found.values())) == 1


def test_a_submission_goes_on_with_its_callers_trace(scene: Scene, collector: Hook) -> None:
    order = {"model": "flux-2-pro", "input": {"prompt": "a fox", "sandbox": {"seconds": 0.02}}}
    headers = {"traceparent": TRACEPARENT}
    answer = scene.client.request("POST", "/api/jobs", json=order, headers=headers)
    job_id = answer.json()["id"]
    scene.client.wait_for(job_id, "stored")
    steps = (("web", "submission"), ("worker", "submit"), ("web", "callback"), ("worker", "rescue"))
    assert set(story(collector, job_id, *steps).values()) == {CALLERS_TRACE}


def test_two_jobs_are_two_traces(scene: Scene, collector: Hook) -> None:
    tasks = [scene.generate(), scene.generate()]
    for task in tasks:
        scene.stored(task)
    traces = [story(collector, task.id, ("web", "callback"))["web", "callback"] for task in tasks]
    assert len(set(traces)) == 2


def test_lines_of_a_worker_name_the_trace(scene: Scene, collector: Hook) -> None:
    task = scene.generate()
    scene.stored(task)
    trace = story(collector, task.id, ("worker", "rescue"))["worker", "rescue"]
    wait_for("its line", lambda: f'"trace": "{trace}"' in scene.installation.logs("worker"))


def test_no_secret_is_in_a_span(scene: Scene, collector: Hook) -> None:
    said = b"".join(call.body for call in collector.calls)
    assert said and not [one for one in scene.installation.secrets() if one.encode() in said]


LOADED = """
import sys
from jobs import observers, settings
observers.set_up(settings.load(), "web")
print([name for name in sys.modules if name.startswith(("opentelemetry", "sentry_sdk"))])
"""


@pytest.mark.parametrize("off", [{}, {"OTEL_SDK_DISABLED": "true"}])
def test_nothing_is_loaded_unless_it_is_asked_for(off: dict[str, str]) -> None:
    given = {**off, "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"} if off else {}
    own = {name: value for name, value in DEFAULTS.items() if value} | given
    said = subprocess.run(
        [sys.executable, "-c", LOADED],
        env=environment(own),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert said.stdout == "[]\n"


HIDDEN_PACKAGES = (
    "import sys; sys.modules['sentry_sdk'] = sys.modules['opentelemetry.sdk.trace'] = None\n"
)


WANTS = pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SENTRY_DSN", "http://key@127.0.0.1:9/1"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9"),
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://127.0.0.1:9/traces"),
    ],
)


@WANTS
def test_a_missing_package_is_named_by_the_variable_that_wants_it(name: str, value: str) -> None:
    said = subprocess.run(
        [sys.executable, "-c", HIDDEN_PACKAGES + LOADED],
        env=environment(DEFAULTS | {name: value}),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert f"{name}: needs packages" in said.stderr
    assert "pip install -r deploy/requirements-reporting.txt" in said.stderr


def test_an_endpoint_that_is_none_stops_the_start_with_its_name() -> None:
    with pytest.raises(InvalidSettings, match="OTEL_EXPORTER_OTLP_ENDPOINT"):
        settings.load({**DEFAULTS, "OTEL_EXPORTER_OTLP_ENDPOINT": "127.0.0.1:4317"})


RELEASE = """
from flask import cli
sys.argv = ["flask", "--app", "receiver", "doctor", "--release"]
cli.main()
"""


@WANTS
def test_a_missing_package_fails_a_release(name: str, value: str, tmp_path: Path) -> None:
    own = DEFAULTS | {name: value, "REDIS_URL": "redis://127.0.0.1:1/0", "PYTHONPATH": str(ROOT)}
    said = subprocess.run(
        [sys.executable, "-c", HIDDEN_PACKAGES + RELEASE],
        env=environment(own),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert said.returncode == 1 and f"FAILED   {name}" in said.stdout
