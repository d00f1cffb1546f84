"""`POST /selection`: star, download, replay or delete the jobs that were chosen in the gallery.

The form names the jobs; with `all` each job that matches the filters of the address is chosen. What
cannot be undone is confirmed on a page that says the number. No script is needed.
"""

import re
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from flask import Blueprint, flash, g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from jobs.config.api_keys import Scope
from jobs.domain import errors
from jobs.domain.job import Job
from jobs.domain.status import REPLAYABLE
from jobs.store.batch_actions import Action
from jobs.store.search_conditions import Search
from receiver import job_actions
from receiver.api.downloads import matching_pages, zip_response
from receiver.context import current_services
from receiver.dashboard import form_body
from receiver.dashboard.gallery_filters import GalleryQuery, active_filters
from receiver.dashboard.session import local_path, requires_scope

SCOPES: Mapping[str, Scope] = {
    "download": "read",
    "star": "submit",
    "unstar": "submit",
    "replay": "admin",
    "delete": "admin",
    "stop": "admin",
}
UNCONFIRMED_ACTIONS = ("star", "unstar")  # they can be undone
DONE = {
    "star": "starred",
    "unstar": "no longer starred",
    "replay": "replayed",
    "delete": "deleted",
}
NONE = {"replay": "None of these jobs can be replayed: they have not failed, expired or been lost."}
MATCHING_MAX = 1000  # at once, while the request waits
ACT_SECONDS = 20.0  # routers close a connection that is silent for longer
_COUNT = re.compile("[1-9][0-9]{0,8}")

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
    fields = form_body.form()
    action = fields.get("action", "")
    _require_allowed(action)
    job_ids = list(dict.fromkeys(form_body.values("job")))
    if len(job_ids) > MATCHING_MAX:
        raise errors.BadRequest(f"These are more than {MATCHING_MAX:,} jobs.")
    # Raises InvalidField: to `url_for`, which makes the next address, some names mean other things.
    search = GalleryQuery.read().search()
    if action == "stop":
        _stop_batch(fields.get("batch", ""))
        return redirect(_back(), 303)
    if "all" in fields:
        if action in list(Action):
            return _begin_batch(Action(action), search, fields.get("count", ""))
        return _act_on_matching(action, search, is_confirmed="confirmed" in fields)
    if not job_ids:
        flash("No job is selected.")
        return redirect(_back(), 303)
    return _act_on_selected(action, job_ids, is_confirmed="confirmed" in fields)


def _require_allowed(action: str) -> None:
    """Raises Forbidden, and BadRequest for an unknown action."""
    scope = SCOPES.get(action, "admin")
    if not g.api_key.has_scope(scope):
        raise errors.Forbidden(f"This needs a key with scope {scope}.")
    if action not in SCOPES:
        raise errors.BadRequest("There is no such action.")


def _stop_batch(batch_id: str) -> None:
    """Raises UnknownBatch."""
    services = current_services()
    batch = job_actions.load_batch(services, batch_id)
    services.batches.stop(batch.id, services.store.now())
    flash("The batch is stopped: what is done stays done.")


def _act_on_selected(
    action: str, job_ids: Sequence[str], *, is_confirmed: bool
) -> ResponseReturnValue:
    if action == "download":
        return _download(_load_jobs(job_ids))
    if is_confirmed or action in UNCONFIRMED_ACTIONS:
        _act_on_each(action, job_ids)
        return redirect(_back(), 303)
    jobs = _load_jobs(job_ids)
    if action == "replay":
        jobs = [job for job in jobs if job.status in REPLAYABLE]
    return _question(action, len(jobs), [job.id for job in jobs])


def _load_jobs(job_ids: Iterable[str]) -> list[Job]:
    """The jobs that still exist."""
    jobs = []
    for job_id in job_ids:
        with suppress(errors.UnknownJob):
            jobs.append(job_actions.load_job(current_services(), job_id))
    return jobs


def _begin_batch(action: Action, search: Search, count_text: str) -> ResponseReturnValue:
    """Have the sweep act on all jobs that match, in two steps.

    The first step asks. The number of jobs, and the time until which jobs count, come back with
    the second step.
    """
    count = None
    if _COUNT.fullmatch(count_text):
        count = int(count_text)
    try:
        batch = job_actions.begin_batch(current_services(), action, search, count)
    except errors.CountRequired as question:
        if isinstance(question, errors.CountChanged):
            flash("Another number of jobs matches by now.")
        return _question(action, question.count, until=question.until)
    except errors.InvalidField:  # the filter has a status whose jobs cannot be replayed
        return _question(action, 0)
    total = job_actions.count_text(batch.total)
    flash(f"{total} will be {DONE[action]}: Health says how far it is.")
    return redirect(_back(), 303)


def _act_on_matching(action: str, search: Search, *, is_confirmed: bool) -> ResponseReturnValue:
    """Act at once on all jobs that match."""
    jobs = _matching_jobs(search)
    if len(jobs) > MATCHING_MAX:
        flash(f"More than {MATCHING_MAX:,} jobs match: narrow the filter by Since and Until.")
        return redirect(_back(), 303)
    if not is_confirmed:
        now = current_services().store.now()
        until = now if search.until is None else min(search.until, now)
        return _question(action, len(jobs), until=until)
    if action == "download":
        return _download(jobs)
    _act_on_each(action, [job.id for job in jobs])
    return redirect(_back(), 303)


def _matching_jobs(search: Search) -> list[Job]:
    """All jobs that match, or more than `MATCHING_MAX`. Raises TooManyJobs."""
    jobs: list[Job] = []
    for page in matching_pages(current_services(), search):
        jobs.extend(page)
        if len(jobs) > MATCHING_MAX:
            break
    return jobs


def _download(jobs: list[Job]) -> ResponseReturnValue:
    if any(job.media for job in jobs):
        return zip_response(current_services(), [jobs])
    flash("None of these jobs has a file.")
    return redirect(_back(), 303)


def _act_on_each(action: str, job_ids: Collection[str]) -> None:
    """Act on one job after the other, and say how many could not be acted on and why."""
    until = time.monotonic() + ACT_SECONDS
    jobs_done = 0
    reasons: list[str] = []  # without repetitions
    for job_id in job_ids:
        if time.monotonic() > until:
            reasons.append("it takes too long: select them again")
            break
        try:
            _act_on_job(action, job_id)
            jobs_done += 1
        except (errors.UnknownJob, errors.WrongStatus, errors.OtherKey, errors.Invalid) as error:
            reason = str(error).rstrip(".")
            if reason not in reasons:
                reasons.append(reason)
    verb = "is" if jobs_done == 1 else "are"
    message = f"{job_actions.count_text(jobs_done)} {verb} {DONE[action]}."
    if reasons:
        message += f" {len(job_ids) - jobs_done} could not be: {'; '.join(reasons)}."
    flash(message)


def _act_on_job(action: str, job_id: str) -> None:
    """Raises UnknownJob, WrongStatus, OtherKey, Invalid."""
    services = current_services()
    job = job_actions.load_job(services, job_id)
    match action:
        case "delete":
            job_actions.delete_job(services, job)
        case "replay":
            job_actions.replay_job(services, job.id)
        case "star":
            job_actions.change_metadata(services, job, starred=True)
        case "unstar":
            job_actions.change_metadata(services, job, starred=None)


def _question(
    action: str, count: int, job_ids: Iterable[str] = (), until: float | None = None
) -> ResponseReturnValue:
    """The page that says the number, if there are any jobs.

    With `until` the action is for all jobs that match the address and were created before then.
    """
    if not count:
        flash(NONE.get(action, "None of these jobs is left."))
        return redirect(_back(), 303)
    parameters: dict[str, Any] = request.args.to_dict(flat=False)
    if until is not None:
        parameters["until"] = f"{until:.3f}"
        parameters["cursor"] = None
    filters = [active_filter.text for active_filter in active_filters()]
    filters.extend(request.args.getlist("status"))
    return render_template(
        "selection.html",
        action=action,
        count=count,
        jobs=job_actions.count_text(count),
        filters=filters,
        matching_max=MATCHING_MAX,
        job_ids=job_ids,
        is_all=until is not None,
        target=url_for("dashboard.selection.act", **parameters),
        back=_back(),
    )


def _back() -> str:
    """The page that the form stood on."""
    parameters: dict[str, Any] = request.args.to_dict(flat=False)
    gallery = url_for("dashboard.gallery.show", **parameters)
    return local_path(form_body.form().get("back") or gallery)
