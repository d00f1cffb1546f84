"""`POST /selection`: star, rescue or delete the jobs that were chosen in the gallery.

They are those of the form or, with `all`, each that matches the filters of the address. What cannot
be undone is confirmed on a page that says the number. No script is needed.
"""

import time
from collections.abc import Iterable, Mapping
from typing import Any

from flask import Blueprint, flash, g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from jobs.config.api_keys import Scope
from jobs.domain import errors
from jobs.domain.job import Job
from receiver.context import services
from receiver.dashboard import form_body
from receiver.dashboard.access import local_path, requires_scope
from receiver.job_actions import change_metadata, delete_job, load_job, replay_job

SCOPES: Mapping[str, Scope] = {
    **dict.fromkeys(("star", "unstar"), "submit"),
    **dict.fromkeys(("rescue", "delete"), "admin"),
}
DONE = {
    "star": "starred",
    "unstar": "no longer starred",
    "rescue": "rescued again",
    "delete": "deleted",
}
ACT_SECONDS = 20.0  # routers close a connection that is silent for longer

blueprint = Blueprint("selection", __name__, url_prefix="/selection")


@blueprint.get("")
@requires_scope("read")
def show() -> ResponseReturnValue:
    """A login leads back here; the form is gone."""
    return redirect("/", 303)


@blueprint.post("")
@requires_scope("read")
def act() -> ResponseReturnValue:
    """Act on the chosen jobs, or ask whether to."""
    fields, ids = form_body.form(), list(dict.fromkeys(form_body.values("job")))
    action = fields.get("action", "")
    if not g.api_key.has_scope(SCOPES.get(action, "admin")):
        raise errors.Forbidden(f"This needs a key with scope {SCOPES.get(action, 'admin')}.")
    if action not in SCOPES:
        raise errors.BadRequest("There is no such action.")
    if not ids:
        flash("No job is selected.")
    elif action in ("rescue", "delete") and "confirmed" not in fields:
        return _question(action, len(ids), ids)
    else:
        _act_on_each(action, ids)
    return redirect(_back(), 303)


def _act_on_each(action: str, ids: Iterable[str]) -> None:
    """Act on one after the other; those that cannot be acted on are left, and are counted."""
    ids, until = [*ids], time.monotonic() + ACT_SECONDS
    done, reasons = 0, dict[str, None]()
    for job_id in ids:
        if time.monotonic() > until:
            reasons["it takes too long: select them again"] = None
            break
        try:
            _act_on(action, load_job(services(), job_id))
            done += 1
        except (errors.UnknownJob, errors.WrongStatus, errors.OtherKey, errors.Invalid) as error:
            reasons[str(error)] = None
    left = f" {len(ids) - done} could not be: {'; '.join(reasons)}." if reasons else ""
    flash(f"{_jobs(done)} {'is' if done == 1 else 'are'} {DONE[action]}.{left}")


def _act_on(action: str, job: Job) -> None:
    if action == "delete":
        delete_job(services(), job)
    elif action == "rescue":
        replay_job(services(), job.id)
    else:
        change_metadata(services(), job, starred=True if action == "star" else None)


def _question(action: str, count: int, ids: Iterable[str] = ()) -> str:
    page = "selection.html"
    return render_template(page, action=action, jobs=_jobs(count), ids=ids, back=_back())


def _jobs(count: int) -> str:
    return f"{count:,} {'job' if count == 1 else 'jobs'}"


def _back() -> str:
    """The page that the form stood on."""
    filters: dict[str, Any] = request.args.to_dict(flat=False)
    gallery = url_for("dashboard.gallery.show", **filters)
    return local_path(form_body.form().get("back") or gallery)
