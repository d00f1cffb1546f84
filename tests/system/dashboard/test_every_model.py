"""Each model and mode that BFL's document has, through every door of ours."""

import json
import secrets
from collections.abc import Iterator
from typing import Any

import pytest

from jobs.store.redis.keys import BFL_SCHEMAS_READ
from tests.harness import Stack, wait_for
from tests.harness.smallest_inputs import DOCUMENT, EVERY_MODE, IDS, file_of, smallest_input
from tests.harness.visitor import Visitor, readable
from tests.sandbox import Task
from tests.system.dashboard.form_page import FormPage

every_mode = pytest.mark.parametrize(("model", "mode"), EVERY_MODE, ids=IDS)
SWITCHES = {"seconds": 0, "format": "mp4", "size": 0}


@pytest.fixture(scope="module")
def visitor(stack: Stack) -> Visitor:
    return Visitor(stack.installation.url, "submit")


def task_of(stack: Stack, job_id: str) -> Task:
    """The task of a job that BFL has accepted."""

    def accepted() -> str | None:
        job = stack.client.job(job_id)
        assert job["status"] != "failed", job["error"]
        return job["task_id"] and str(job["task_id"])

    return stack.sandbox.task(wait_for("BFL accepts it", accepted))


@every_mode
def test_the_api_submits_it(stack: Stack, model: str, mode: str) -> None:
    asked = smallest_input(model, mode)
    job = stack.client.submit(model, **asked, sandbox=SWITCHES)
    assert task_of(stack, job["id"]).input == asked


@every_mode
def test_the_form_as_it_opens_needs_but_what_bfl_requires(
    stack: Stack, visitor: Visitor, model: str, mode: str
) -> None:
    query = {"model": model} | ({"mode": mode} if mode else {})
    form = FormPage(visitor.get("/submit", **query).text, "submit-form")
    asked = smallest_input(model, mode)
    typed = {name: str(value) for name, value in asked.items() if not file_of(name)}
    assert typed.keys() <= form.fields.keys()
    assert {name for name in asked if file_of(name)} <= {*form.files}
    more = json.dumps({"sandbox": SWITCHES})
    fields = {**form.fields, **typed, "more": more, "idempotency_key": secrets.token_hex(8)}
    files = [(name, ("file", file_of(name))) for name in asked if file_of(name)]
    answer = visitor.post("/submit", files=files or [("files", ("", b""))], **fields)
    assert answer.status_code == 303, readable(answer.text)
    job_id = answer.headers["Location"].partition("job=")[2].partition("&")[0]
    sent = task_of(stack, job_id).input
    assert DOCUMENT.complaints(model, sent) == []
    # A control for several files sends a list.
    assert {name: one[0] if isinstance(one, list) else one for name, one in sent.items()} == asked


@pytest.fixture(scope="module")
def _changed_document(stack: Stack) -> Iterator[None]:
    """BFL has a new model, a field by another name, and some with names of the form's own."""
    changed: dict[str, Any] = json.loads(DOCUMENT.public())
    changed["paths"]["/v1/flux-9"] = changed["paths"]["/v1/flux-2-pro"]
    fields = changed["components"]["schemas"]["Flux2Inputs"]["properties"]
    fields["safety"] = fields.pop("safety_tolerance")
    fields |= {name: {"type": "string"} for name in ("csrf_token", "metadata", "model", "more")}
    stack.sandbox.publish(json.dumps(changed).encode())
    with stack.installation.redis.client() as redis:
        redis.delete(BFL_SCHEMAS_READ)  # a day has passed
    yield
    stack.sandbox.publish(DOCUMENT.public())


@pytest.mark.usefixtures("_changed_document")
def test_the_form_follows_bfls_document_within_a_sweep(stack: Stack, visitor: Visitor) -> None:
    def fields() -> dict[str, str]:
        return FormPage(visitor.get("/submit", model="flux-9").text, "submit-form").fields

    wait_for("the new model has its field", lambda: "safety" in fields(), 90)
    assert 'value="flux-9"' in visitor.get("/submit").text
    assert "safety_tolerance" not in fields()
    assert "flux-9 is new" in visitor.text("/health")
    job = stack.client.submit("flux-9", prompt="a heron", safety=1, sandbox=SWITCHES)
    assert task_of(stack, job["id"]).model == "flux-9"


@pytest.mark.usefixtures("_changed_document")
def test_a_field_with_a_name_of_the_forms_own_stands_among_the_other_fields(
    stack: Stack, visitor: Visitor
) -> None:
    wait_for("it is read", lambda: "metadata is new" in visitor.text("/health"), 90)
    before = visitor.get("/submit", model="flux-2-pro").text
    assert before.count('name="csrf_token"') == 2, "one of them is that of the logout"
    more = json.dumps({"metadata": "theirs", "sandbox": SWITCHES})
    answer = visitor.post(
        "/submit", model="flux-2-pro", prompt="x", more=more, idempotency_key=secrets.token_hex(8)
    )
    job_id = answer.headers["Location"].partition("job=")[2].partition("&")[0]
    assert task_of(stack, job_id).input == {"prompt": "x", "metadata": "theirs"}
