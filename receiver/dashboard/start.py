"""`/start`: how to connect an app, with this installation's own addresses, and a test of it."""

from typing import NamedTuple

from flask import Blueprint, Response, redirect, render_template, stream_template
from flask.typing import ResponseReturnValue

from receiver import checks
from receiver.api.submissions import base_url
from receiver.context import services
from receiver.dashboard.access import changed_by, shown_to

STREAMED = {"X-Accel-Buffering": "no"}
NEW_KEY = "flask --app receiver keys new --name app --scope submit"


class Way(NamedTuple):
    """One of three ways in, as in README; the address is put in."""

    title: str
    snippet: str
    note: str


EXAMPLE = "https://keep.example"
WAYS = (
    Way(
        "A client made for BFL, with another base URL",
        """from blackforest import BFLClient

client = BFLClient(api_key=FLUXKEEP_KEY, base_url="https://keep.example")""",
        "Any client will do. Its links no longer die after ten minutes.",
    ),
    Way(
        "Let Fluxkeep submit",
        """curl -s https://keep.example/api/jobs \\
  -H "x-key: $FLUXKEEP_KEY" -H 'content-type: application/json' \\
  -d '{"model": "flux-2-pro", "input": {"prompt": "a lighthouse in the fog"}}'""",
        "Post and forget; then ask for the job, or be told of its end.",
    ),
    Way(
        "Go on submitting, and only register the webhook",
        """curl -s https://api.bfl.ai/v1/flux-2-pro \\
  -H "x-key: $BFL_API_KEY" -H 'content-type: application/json' \\
  -d '{"prompt": "a lighthouse in the fog",
       "webhook_url": "https://keep.example/webhooks/bfl",
       "webhook_secret": "'"$WEBHOOK_SECRET"'"}'""",
        "WEBHOOK_SECRET stands in the settings of the web process (make run keeps it in "
        "var/dev.env). It is never shown here.",
    ),
)

blueprint = Blueprint("first_run", __name__)


@blueprint.get("/start")
@shown_to("read")
def show() -> ResponseReturnValue:
    return page()


def page() -> str:
    """The explanation, for here and wherever there are no jobs to show."""
    parts, settings = services(), services().settings
    base = base_url(parts) or settings.base_url
    return render_template(
        "first_run.html",
        base=base,
        new_key=NEW_KEY,
        ways=[way._replace(snippet=way.snippet.replace(EXAMPLE, base)) for way in WAYS],
        unreachable=not settings.bfl_reaches_us,
    )


@blueprint.get("/start/test")
@shown_to("read")
def redirect_to_start() -> ResponseReturnValue:
    return redirect("/start", 303)


@blueprint.post("/start/test")
@changed_by("admin")
def run_checks() -> ResponseReturnValue:
    """Run all checks, among them the test callbacks; the page shows each result as it comes."""
    context = checks.Context(services().settings, services())
    return Response(stream_template("test.html", results=checks.run(context)), headers=STREAMED)
