"""Tools for agents: each validates its arguments and calls what the API calls.

Their descriptions are in a file, which `make docs` writes from the types and docstrings here.
"""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from flask import g

from jobs.bfl import model_names
from jobs.config.api_keys import Scope
from jobs.domain.errors import Invalid
from jobs.domain.job import Job
from jobs.domain.job_record import Submission
from jobs.domain.polling_policy import typical_seconds
from jobs.domain.status import Status
from jobs.domain.timestamps import rfc3339
from jobs.input_parts import parts_in
from jobs.store.search_conditions import Search
from receiver import job_actions, ownership
from receiver.api.budget import KeyBudgets, key_budgets
from receiver.context import current_services
from receiver.mcp import content, schemas
from receiver.mcp.resources import JOB_URI, with_images
from receiver.new_submission import enqueue
from receiver.schemas.bodies import validate_with_input
from receiver.schemas.submission import DryRunView, SubmissionBody
from receiver.submission_checks import dry_run

DESCRIPTIONS = Path(__file__).with_suffix(".json")
METADATA = {"made by": "an agent"}
WITH_PARTS = {"prompt", "images", "input"}  # arguments that may hold images and long texts
PAGES_MAX = 5  # of a search, each of which reads a thousand jobs
PRICED_JOBS = 200  # the latest ones, whose costs are shown


class Waiting(NamedTuple):
    """A job whose end the answer waits for, for so many seconds."""

    job: Job
    seconds: float
    is_question: bool = False  # the job's failure is an answer, and no error


class Tool(NamedTuple):
    """A tool: its name and description are those of the function."""

    scope: Scope
    arguments: type[schemas.Arguments]
    result: Any
    run: Callable[[Any], Any]

    def call(self, given: Mapping[str, Any]) -> Any:
        """Raises Forbidden, Invalid, and what the function raises."""
        g.api_key.require_scope(self.scope)
        # Clients write null for an argument that is left out.
        arguments = {name: value for name, value in given.items() if value is not None}
        with_parts = {name for name, value in arguments.items() if any(parts_in(value))}
        if wrong := with_parts - WITH_PARTS:
            raise Invalid([{"field": name, "message": "it is too long"} for name in wrong])
        return self.run(validate_with_input(self.arguments, arguments, with_parts))


def generate(asked: schemas.Generation) -> Waiting | DryRunView:
    """Generate an image or a video with a FLUX model. Costs credits, see `list_models`. Returns the
    image and links to all files, or after `wait` seconds how to go on.
    """
    return _submit(asked, asked.input, asked.images)


def edit(asked: schemas.Edit) -> Waiting | DryRunView:
    """Edit the image of a stored job: say in the prompt what changes. Makes a new job, which costs
    credits; the old one stays.
    """
    is_uri = JOB_URI.fullmatch(asked.job)
    uri = asked.job if is_uri else f"fluxkeep://jobs/{_load(asked.job).id}"
    return _submit(asked, {}, [uri])


def _submit(
    asked: schemas.NewJob, given: Mapping[str, Any], images: list[str]
) -> Waiting | DryRunView:
    placed = with_images(current_services(), asked.model, {**given, "prompt": asked.prompt}, images)
    fields = {"model": asked.model, "input": placed, "over_budget": asked.over_budget}
    body = validate_with_input(SubmissionBody, {**fields, "metadata": METADATA})
    if asked.dry_run:
        return dry_run(current_services(), body)
    return Waiting(enqueue(current_services(), body, Submission()), asked.wait)


def get_job(asked: schemas.NamedJob) -> Waiting:
    """Get a job as it is now, with its image and fresh links."""
    return Waiting(_load(asked.id), 0, is_question=True)


def wait_for_job(asked: schemas.AwaitedJob) -> Waiting:
    """Wait until a job ends, or for `wait` seconds. Call it again while the job is not done."""
    return Waiting(_load(asked.id), asked.wait)


def _load(name: str) -> Job:
    found = JOB_URI.fullmatch(name)
    return job_actions.load_job(current_services(), found[1] if found else name)


def cancel_job(asked: schemas.NamedJob) -> schemas.CancelledJob:
    """Take back a job that still waits in the queue: it then costs nothing. What was sent to BFL
    cannot be taken back.
    """
    job = _load(asked.id)
    job_actions.cancel_job(current_services(), job.id)
    return {"id": job.id, "message": "It is cancelled; nothing was sent to BFL."}


def search_jobs(asked: schemas.JobSearch) -> schemas.JobRows:
    """Search jobs by words of their prompts, metadata and time. The newest come first."""
    search = Search(
        words=asked.query.strip() or None,
        metadata=tuple(asked.metadata.items()),
        since=asked.since,
        until=asked.until,
    )
    jobs: list[Job] = []
    last = None
    for _ in range(PAGES_MAX):
        page = ownership.page(current_services(), search, asked.limit - len(jobs), last)
        jobs, last = jobs + page.jobs, page.last
        if last is None or len(jobs) == asked.limit:
            break
    rows = [content.job_row(current_services(), job) for job in jobs]
    return {"jobs": rows, "searched_until": rfc3339(last.created_at) if last else None}


def list_models(_asked: schemas.Arguments) -> schemas.Models:
    """List BFL's models: what each is for, the fields of its input, and what it last cost."""
    stored = ownership.page(
        current_services(), Search(statuses=(Status.STORED,)), PRICED_JOBS, None
    ).jobs
    costs = {job.model: job.cost for job in reversed(stored) if job.cost is not None}
    endpoints = current_services().schemas.endpoints()
    rows: list[schemas.ModelRow] = []
    for model in sorted(endpoints, key=model_names.rank):
        modes = endpoints[model].modes.values()
        fields = dict.fromkeys(name for mode in modes for name in mode.fields if name != "prompt")
        row: schemas.ModelRow = {
            "model": model,
            "purpose": model_names.purpose(model),
            "seconds": typical_seconds(model),
            "last_cost": costs.get(model),
            # Of numbered ones the first.
            "fields": [name for name in fields if not re.fullmatch(r".+_[0-9]+", name)],
        }
        rows.append(row)
    return {"models": rows}


def budget(_asked: schemas.Arguments) -> KeyBudgets:
    """Get what your key may still spend, in credits. An empty list: it has no budget."""
    return key_budgets(current_services())


TOOLS = {
    tool.run.__name__: tool
    for tool in (
        Tool("submit", schemas.Generation, schemas.SubmissionResult, generate),
        Tool("submit", schemas.Edit, schemas.SubmissionResult, edit),
        Tool("read", schemas.NamedJob, schemas.JobResult, get_job),
        Tool("read", schemas.AwaitedJob, schemas.JobResult, wait_for_job),
        Tool("submit", schemas.NamedJob, schemas.CancelledJob, cancel_job),
        Tool("read", schemas.JobSearch, schemas.JobRows, search_jobs),
        Tool("read", schemas.Arguments, schemas.Models, list_models),
        Tool("read", schemas.Arguments, KeyBudgets, budget),
    )
}
