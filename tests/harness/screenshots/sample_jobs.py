"""Sample jobs for screenshots and browser tests: images, videos and failures."""

import base64
from dataclasses import replace
from typing import Any

from jobs.store.costs import cost_updates
from tests.harness.parts import services_over
from tests.harness.screenshots import landscape
from tests.harness.stack import Stack

MODEL = "flux-2-pro"
VIDEO_MODEL = "flux-3-video"
DAY_SECONDS = 86_400.0


def start_job(
    stack: Stack,
    model: str = MODEL,
    *,
    prompt: str = "fog",
    body: dict[str, Any] | None = None,
    **switches: Any,
) -> str:
    """Start a task that calls back, and announce it; returns the job's id.

    `body` is added to the body of `PUT /api/jobs/<id>`, `switches` change what the sandbox does.
    """
    if model == VIDEO_MODEL:  # it takes no webhook: another model delivers its video
        switches["format"] = "mp4"
    task = stack.sandbox.submit(
        MODEL if model == VIDEO_MODEL else model,
        prompt=prompt,
        webhook_url=stack.webhook_url,
        webhook_secret=stack.installation.settings["WEBHOOK_SECRET"],
        switches={"seconds": 0.02, "strict": False, "cost_in_callback": True, **switches},
    )
    stack.announce(task, model=model, **(body or {}))
    return task.id


def finish_job(stack: Stack, model: str = MODEL, **options: Any) -> str:
    """Start a job and wait until its status is terminal."""
    job_id = start_job(stack, model, **options)
    stack.client.wait_for(job_id)
    return job_id


def store_image(stack: Stack, seed: int, width: int, height: int, **options: Any) -> str:
    """Finish a job whose result is a painted landscape."""
    image = base64.b64encode(landscape.jpeg(seed, width, height)).decode()
    options = {"prompt": f"hills number {seed}", **options}
    return finish_job(stack, body_base64=image, content_type="image/jpeg", **options)


def make_variants(stack: Stack) -> str:
    """Edit a landscape, and repeat the edit with other seeds; returns the first job's id."""
    image = base64.b64encode(landscape.jpeg(7, 832, 1216)).decode()
    given = {"prompt": "The same valley in deep snow", "seed": 7, "input_image": image}
    first = _submit(stack, "/api/jobs", {"model": MODEL, "input": given})
    for seed in (8, 11, 12):
        _submit(stack, f"/api/jobs/{first}/repeats", {"input": {"seed": seed}})
    return first


def _submit(stack: Stack, path: str, body: dict[str, Any]) -> str:
    job_id = str(stack.client.request("POST", path, json=body).json()["id"])
    stack.client.wait_for(job_id, "stored")
    return job_id


def book_past_costs(stack: Stack, job_id: str) -> None:
    """Book what jobs of the last month might have cost."""
    with stack.installation.redis.client() as client:
        job = services_over(client).store.load(job_id)
        assert job
        for days in range(1, 30):
            before = replace(job, created_at=job.created_at - days * DAY_SECONDS, cost=None)
            after = replace(before, cost=40.0 + days * 37 % 90)
            for command in cost_updates(before, after):
                client.execute_command(*command)
