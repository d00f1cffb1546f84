"""Two requests with one Idempotency-Key make one job."""

import json
import uuid
from concurrent.futures import ThreadPoolExecutor

from pydantic import SecretStr

from jobs.signing import idempotent_id
from tests.harness import DEFAULTS, Stack
from tests.harness.parts import services_over

DAY_SECONDS = 86400.0
AT_ONCE = 8


def fresh_key() -> str:
    return f"key-{uuid.uuid4()}"


def age(env: Stack, job_id: str, key: str, seconds: float) -> str:
    """The job was made so long ago, on the day before; its id then."""
    with env.installation.redis.client() as redis:
        store = services_over(redis).store
        job, now = store.load(job_id), store.now()
        assert job is not None and store.delete(job)
        secret = SecretStr(DEFAULTS["SECRET_KEY"])
        header = str(env.installation.client("submit").session.headers["Authorization"])
        holder, day = header.removeprefix("Bearer "), str(int(now // DAY_SECONDS) - 1)
        aged = job.evolve(id=idempotent_id(secret, holder, key, day), created_at=now - seconds)
        store.update(aged.id, lambda _known, _now: aged)
    return aged.id


def test_the_same_order_again_is_answered_with_the_first_job(env: Stack) -> None:
    key, body = fresh_key(), env.request_body()
    first, again = (env.post(body, key=key) for _ in range(2))
    assert (first.status_code, again.status_code) == (202, 202)
    assert first.json()["id"] == again.json()["id"]
    env.stored_job(first.json() | {"body": body})
    late = env.post(body, key=key)
    assert late.status_code == 202 and late.json()["id"] == first.json()["id"]
    assert len(env.requests({"body": body})) == 1


def test_another_order_under_the_same_key_is_refused(env: Stack) -> None:
    key, body, other = fresh_key(), env.request_body(), env.request_body()
    first = env.post(body, key=key)
    refused = env.post(other, key=key)
    assert refused.status_code == 422
    assert "Idempotency-Key" in refused.json()["detail"]
    env.stored_job(first.json() | {"body": body})
    assert env.requests({"body": other}) == []


def test_equal_orders_at_the_same_moment_make_one_job(env: Stack) -> None:
    key, body = fresh_key(), env.request_body()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        answers = list(pool.map(lambda _: env.post(body, key=key), range(AT_ONCE)))
    assert {answer.status_code for answer in answers} == {202}
    (job_id,) = {answer.json()["id"] for answer in answers}
    env.stored_job({"id": job_id, "body": body})
    assert len(env.requests({"body": body})) == 1


def test_a_key_is_free_again_after_a_day(env: Stack) -> None:
    key, body, other = fresh_key(), env.request_body(), env.request_body()
    first = env.post(body, key=key).json()
    env.stored_job(first | {"body": body})
    aged = age(env, first["id"], key, DAY_SECONDS - 60)
    assert env.post(other, key=key).status_code == 422
    assert env.post(body, key=key).json()["id"] == aged
    age(env, aged, key, DAY_SECONDS + 1)
    second = env.post(other, key=key)
    assert second.status_code == 202 and second.json()["id"] != aged
    assert env.post(other, key=key).json()["id"] == second.json()["id"]
    env.stored_job(second.json() | {"body": other})


def test_the_same_input_for_another_model_is_another_order(env: Stack) -> None:
    caller, given = env.installation.client("submit"), env.request_body()["input"]
    headers = {"Idempotency-Key": fresh_key()}
    first, again, other = (
        caller.request("POST", f"/v1/{model}", json=given, headers=headers)
        for model in ("flux-2-pro", "flux-2-pro", "flux-2-max")
    )
    assert (first.status_code, again.status_code, other.status_code) == (200, 200, 422)
    assert first.json()["id"] == again.json()["id"]
    env.stored_job({"id": first.json()["id"], "body": {"input": given}})


def test_a_repeat_finds_its_job_after_the_signing_key_was_rotated(env: Stack) -> None:
    installation, key, body = env.installation, fresh_key(), env.request_body()
    first = env.post(body, key=key).json()
    (rotated,) = installation.start("web", SECRET_KEY=f"new-one,{DEFAULTS['SECRET_KEY']}")
    try:
        installation.wait_until_ready()
        caller = installation.client("submit", installation.urls[-1])
        raw, headers = json.dumps(body).encode(), {"Idempotency-Key": key}
        again = caller.request("POST", "/api/jobs", data=raw, headers=headers)
    finally:
        installation.hang_up()
        rotated.stop()
        del installation.ports[1:]
    assert again.json()["id"] == first["id"]
    env.stored_job(first | {"body": body})
