"""`/start`: how to connect an app to this installation, and a test of all its parts."""

from typing import NamedTuple

from flask import Blueprint, Response, redirect, render_template, stream_template
from flask.typing import ResponseReturnValue

from receiver import checks
from receiver.api.submissions import base_url
from receiver.context import services
from receiver.dashboard.access import requires_scope

STREAMED = {"X-Accel-Buffering": "no"}
NEW_KEY = "flask --app receiver keys new --name app --scope submit"


class Integration(NamedTuple):
    """A way to connect an app, as in README; the snippet names the example's base URL."""

    title: str
    snippet: str
    note: str


EXAMPLE = "https://keep.example"
INTEGRATIONS = (
    Integration(
        "Use a BFL client with another base URL",
        """from blackforest import BFLClient

client = BFLClient(api_key=FLUXKEEP_KEY, base_url="https://keep.example")""",
        "Every BFL client works. Its media links no longer expire after ten minutes.",
    ),
    Integration(
        "Submit jobs to Fluxkeep",
        """curl -s https://keep.example/api/jobs \\
  -H "x-key: $FLUXKEEP_KEY" -H 'content-type: application/json' \\
  -d '{"model": "flux-2-pro", "input": {"prompt": "a lighthouse in the fog"}}'""",
        "The answer has the job's id. Ask for the job later, or get a notification when it ends.",
    ),
    Integration(
        "Submit to BFL yourself and register the webhook",
        """curl -s https://api.bfl.ai/v1/flux-2-pro \\
  -H "x-key: $BFL_API_KEY" -H 'content-type: application/json' \\
  -d '{"prompt": "a lighthouse in the fog",
       "webhook_url": "https://keep.example/webhooks/bfl",
       "webhook_secret": "'"$WEBHOOK_SECRET"'"}'""",
        "WEBHOOK_SECRET is in the settings of the web process; after make run it is in "
        "var/run.env. This page never shows it.",
    ),
)

blueprint = Blueprint("start", __name__)


@blueprint.get("/start")
@requires_scope("read")
def show() -> ResponseReturnValue:
    return page()


def page() -> str:
    """The page, which the gallery also shows while there are no jobs."""
    settings = services().settings
    base = base_url(services()) or settings.base_url
    return render_template(
        "start.html",
        base=base,
        new_key=NEW_KEY,
        integrations=[
            one._replace(snippet=one.snippet.replace(EXAMPLE, base)) for one in INTEGRATIONS
        ],
        is_unreachable=not settings.bfl_reaches_us,
    )


@blueprint.get("/start/test")
@requires_scope("read")
def redirect_to_start() -> ResponseReturnValue:
    return redirect("/start", 303)


@blueprint.post("/start/test")
@requires_scope("admin")
def run_checks() -> ResponseReturnValue:
    """Run all checks, also the test callbacks, and stream each result to the page."""
    context = checks.Context(services().settings, services())
    return Response(stream_template("test.html", results=checks.run(context)), headers=STREAMED)
