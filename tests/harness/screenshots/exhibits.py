"""Jobs worth looking at: what BFL's stand-in delivers, and how it ends."""

import base64
from typing import Any

from tests.harness.scene import Scene
from tests.harness.screenshots import landscape

MODEL = "flux-2-pro"


def asked(
    scene: Scene,
    model: str = MODEL,
    *,
    prompt: str = "fog",
    facts: dict[str, Any] | None = None,
    **switches: Any,
) -> str:
    """The id of a job whose task calls back; `facts` are what its caller says of it."""
    task = scene.box.submit(
        model,
        prompt=prompt,
        webhook_url=scene.webhook_url,
        webhook_secret=scene.installation.settings["WEBHOOK_SECRET"],
        switches={"seconds": 0.02, "cost_in_callback": True, **switches},
    )
    scene.expect(task, model=model, **(facts or {}))
    return task.id


def ended(scene: Scene, model: str = MODEL, **wishes: Any) -> str:
    """The same once it has come to its end."""
    job_id = asked(scene, model, **wishes)
    scene.client.wait_for(job_id)
    return job_id


def picture(scene: Scene, seed: int, width: int, height: int, **wishes: Any) -> str:
    """A landscape, stored."""
    body = base64.b64encode(landscape.jpeg(seed, width, height)).decode()
    wishes = {"prompt": f"hills number {seed}", **wishes}
    return ended(scene, body_base64=body, content_type="image/jpeg", **wishes)
