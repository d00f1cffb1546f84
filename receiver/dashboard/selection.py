"""`POST /selection`: star, download, replay or delete the jobs that were chosen in the gallery.

They are those of the form or, with `all`, each that matches the filters of the address. What cannot
be undone is confirmed on a page that says the number. No script is needed.
"""

import re
import time
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from itertools import chain, islice
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
from receiver.dashboard.gallery import GalleryQuery, active_filters
from receiver.dashboard.session import local_path, requires_scope

SCOPES: Mapping[str, Scope] = {
    "download": "read",
    **dict.fromkeys(("star", "unstar"), "submit"),
    **dict.fromkeys(("replay", "delete", "stop"), "admin"),
}
DONE = {
    "star": "starred",
    "unstar": "no longer starred",
    "replay": "replayed",
    "delete": "deleted",
}
NONE = {"replay": "None of these jobs can be replayed: they have not failed, expired or been lost."}
MATCHING_MAX = 1000  # at once, while the request waits
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
    if len(ids) > MATCHING_MAX:
        raise errors.BadRequest(f"These are more than {MATCHING_MAX:,} jobs.")
    # Raises InvalidField: to `url_for`, which makes the next address, some names mean other things.
    search = GalleryQuery.read().search()
    if action == "stop":
        batch = job_actions.load_batch(current_services(), fields.get("batch", ""))
        current_services().batches.stop(batch.id, current_services().store.now())
        flash("The batch is stopped: what is done stays done.")
    elif "all" in fields:
        return _act_on_all(action, fields, search)
    elif not ids:
        flash("No job is selected.")
    elif action in ("star", "unstar") or ("confirmed" in fields and action != "download"):
        _act_on_each(action, ids)
    else:
        known = list[Job]()
        for job_id in ids:
            with suppress(errors.UnknownJob):
                known.append(job_actions.load_job(current_services(), job_id))
        if action == "download":
            return _download(known)
        ids = [job.id for job in known if action == "delete" or job.status in REPLAYABLE]
        return _question(action, len(ids), ids)
    return redirect(_back(), 303)


def _act_on_all(action: str, fields: Mapping[str, str], search: Search) -> ResponseReturnValue:
    """In two steps: the number, and the time until which jobs count, come back with the second."""
    if action in list(Action):
        given = fields.get("count", "")
        count = int(given) if re.fullmatch("[1-9][0-9]{0,8}", given) else None
        try:
            batch = job_actions.begin_batch(current_services(), Action(action), search, count)
        except errors.CountRequired as question:
            if isinstance(question, errors.CountChanged):
                flash("Another number of jobs matches by now.")
            return _question(action, question.count, until=question.until)
        except errors.InvalidField:  # the filter has a status whose jobs cannot be replayed
            return _question(action, 0)
        found = job_actions.count_text(batch.total)
        flash(f"{found} will be {DONE[action]}: Health says how far it is.")
        return redirect(_back(), 303)
    jobs = list(
        islice(chain.from_iterable(matching_pages(current_services(), search)), MATCHING_MAX + 1)
    )
    if len(jobs) > MATCHING_MAX:
        flash(f"More than {MATCHING_MAX:,} jobs match: narrow the filter by Since and Until.")
    elif "confirmed" not in fields:
        now = current_services().store.now()
        until = now if search.until is None else min(search.until, now)
        return _question(action, len(jobs), until=until)
    elif action == "download":
        return _download(jobs)
    else:
        _act_on_each(action, [job.id for job in jobs])
    return redirect(_back(), 303)


def _download(jobs: list[Job]) -> ResponseReturnValue:
    if any(job.media for job in jobs):
        return zip_response(current_services(), [jobs])
    flash("None of these jobs has a file.")
    return redirect(_back(), 303)


def _act_on_each(action: str, ids: Collection[str]) -> None:
    """Act on one after the other; those that cannot be acted on are left, and are counted."""
    done, reasons, until = 0, dict[str, None](), time.monotonic() + ACT_SECONDS
    for job_id in ids:
        if time.monotonic() > until:
            reasons["it takes too long: select them again"] = None
            break
        try:
            job = job_actions.load_job(current_services(), job_id)
            if action == "delete":
                job_actions.delete_job(current_services(), job)
            elif action == "replay":
                job_actions.replay_job(current_services(), job.id)
            else:
                starred = True if action == "star" else None
                job_actions.change_metadata(current_services(), job, starred=starred)
            done += 1
        except (errors.UnknownJob, errors.WrongStatus, errors.OtherKey, errors.Invalid) as error:
            reasons[str(error).rstrip(".")] = None
    left = f" {len(ids) - done} could not be: {'; '.join(reasons)}." if reasons else ""
    flash(f"{job_actions.count_text(done)} {'is' if done == 1 else 'are'} {DONE[action]}.{left}")


def _question(
    action: str, count: int, ids: Iterable[str] = (), until: float | None = None
) -> ResponseReturnValue:
    """The page that says the number, if there are any. `until`: of all that match the address."""
    if not count:
        flash(NONE.get(action, "None of these jobs is left."))
        return redirect(_back(), 303)
    filters: dict[str, Any] = request.args.to_dict(flat=False)
    fixed = filters if until is None else filters | {"until": f"{until:.3f}", "cursor": None}
    return render_template(
        "selection.html",
        action=action,
        count=count,
        jobs=job_actions.count_text(count),
        filters=[text for text, _ in active_filters()] + request.args.getlist("status"),
        matching_max=MATCHING_MAX,
        ids=ids,
        is_all=until is not None,
        target=url_for("dashboard.selection.act", **fixed),
        back=_back(),
    )


def _back() -> str:
    """The page that the form stood on."""
    filters: dict[str, Any] = request.args.to_dict(flat=False)
    gallery = url_for("dashboard.gallery.show", **filters)
    return local_path(form_body.form().get("back") or gallery)
