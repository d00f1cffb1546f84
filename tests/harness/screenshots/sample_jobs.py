"""Sample jobs for screenshots and browser tests: pictures, videos and failures."""

import base64
from typing import Any

from tests.harness.screenshots import landscape
from tests.harness.stack import Stack

MODEL = "flux-2-pro"
VIDEO_MODEL = "flux-3-video"


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
    task = stack.box.submit(
        MODEL if model == VIDEO_MODEL else model,
        prompt=prompt,
        webhook_url=stack.webhook_url,
        webhook_secret=stack.installation.settings["WEBHOOK_SECRET"],
        switches={"seconds": 0.02, "strict": False, "cost_in_callback": True, **switches},
    )
    stack.expect(task, model=model, **(body or {}))
    return task.id


def finish_job(stack: Stack, model: str = MODEL, **options: Any) -> str:
    """Start a job and wait until its status is terminal."""
    job_id = start_job(stack, model, **options)
    stack.client.wait_for(job_id)
    return job_id


def store_picture(stack: Stack, seed: int, width: int, height: int, **options: Any) -> str:
    """Finish a job whose result is a painted landscape."""
    image = base64.b64encode(landscape.jpeg(seed, width, height)).decode()
    options = {"prompt": f"hills number {seed}", **options}
    return finish_job(stack, body_base64=image, content_type="image/jpeg", **options)
