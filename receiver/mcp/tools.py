"""Tools for agents: each validates its arguments and calls what the API calls.

Their descriptions are in a file, which `make docs` writes from the types and docstrings here.
"""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from flask import g

from jobs.bfl import model_names
from jobs.bfl.model_schemas import Endpoint
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
from receiver.mcp.image_arguments import with_images
from receiver.mcp.job_uri import JobUri
from receiver.new_submission import enqueue
from receiver.schemas.bodies import validate_with_input
from receiver.schemas.submission import DryRunView, SubmissionBody
from receiver.submission_checks import dry_run

DESCRIPTIONS = Path(__file__).with_suffix(".json")
METADATA = {"made by": "an agent"}
WITH_PARTS = {"prompt", "images", "input"}  # arguments that may hold images and long texts
PAGES_MAX = 5  # of a search, each of which reads a thousand jobs
PRICED_JOBS = 200  # latest jobs whose costs are shown


class Waiting(NamedTuple):
    """A job, and the seconds for which the answer waits for its end."""

    job: Job
    seconds: float
    is_question: bool = False  # the job's failure is an answer, and no error


class Tool(NamedTuple):
    """A tool. The function `run` gives it its name and its description."""

    scope: Scope
    arguments: type[schemas.Arguments]
    result: Any
    run: Callable[[Any], Any]

    def call(self, sent_arguments: Mapping[str, Any]) -> Any:
        """Raises Forbidden, Invalid, and the errors of the function."""
        g.api_key.require_scope(self.scope)
        # Clients write null for an argument that is left out.
        arguments = {name: value for name, value in sent_arguments.items() if value is not None}
        names_with_parts = {name for name, value in arguments.items() if any(parts_in(value))}
        problems = []
        for name in names_with_parts - WITH_PARTS:
            problems.append({"field": name, "message": "it is too long"})
        if problems:
            raise Invalid(problems)
        return self.run(validate_with_input(self.arguments, arguments, names_with_parts))


def generate(arguments: schemas.Generation) -> Waiting | DryRunView:
    """Generate an image or a video with a FLUX model. Costs credits, see `list_models`. Returns the
    image and links to all files, or after `wait` seconds how to go on.
    """
    return _submit(arguments, arguments.input, arguments.images)


def edit(arguments: schemas.Edit) -> Waiting | DryRunView:
    """Edit the image of a stored job: say in the prompt what changes. Makes a new job, which costs
    credits; the old one stays.
    """
    uri = arguments.job
    if JobUri.parse(uri) is None:  # a bare id, perhaps that of BFL's task
        uri = str(JobUri(_load(arguments.job).id))
    return _submit(arguments, {}, [uri])


def _submit(
    arguments: schemas.NewJob, model_input: Mapping[str, Any], images: list[str]
) -> Waiting | DryRunView:
    values = dict(model_input)
    values["prompt"] = arguments.prompt
    fields = {
        "model": arguments.model,
        "input": with_images(current_services(), arguments.model, values, images),
        "over_budget": arguments.over_budget,
        "metadata": METADATA,
    }
    body = validate_with_input(SubmissionBody, fields)
    if arguments.dry_run:
        return dry_run(current_services(), body)
    return Waiting(enqueue(current_services(), body, Submission()), arguments.wait)


def get_job(arguments: schemas.NamedJob) -> Waiting:
    """Get a job as it is now, with its image and fresh links."""
    return Waiting(_load(arguments.id), 0, is_question=True)


def wait_for_job(arguments: schemas.AwaitedJob) -> Waiting:
    """Wait until a job ends, or for `wait` seconds. Call it again while the job is not done."""
    return Waiting(_load(arguments.id), arguments.wait)


def _load(id_or_uri: str) -> Job:
    job_id = id_or_uri
    job_uri = JobUri.parse(id_or_uri)
    if job_uri:
        job_id = job_uri.job_id
    return job_actions.load_job(current_services(), job_id)


def cancel_job(arguments: schemas.NamedJob) -> schemas.CancelledJob:
    """Take back a job that still waits in the queue: it then costs nothing. A job that was sent to
    BFL cannot be taken back.
    """
    job = _load(arguments.id)
    job_actions.cancel_job(current_services(), job.id)
    return {"id": job.id, "message": "It is cancelled; nothing was sent to BFL."}


def search_jobs(arguments: schemas.JobSearch) -> schemas.JobRows:
    """Search jobs by words of their prompts, metadata and time. The newest come first."""
    search = Search(
        words=arguments.query.strip() or None,
        metadata=tuple(arguments.metadata.items()),
        since=arguments.since,
        until=arguments.until,
    )
    jobs: list[Job] = []
    last = None
    for _ in range(PAGES_MAX):
        page = ownership.load_page(current_services(), search, arguments.limit - len(jobs), last)
        jobs += page.jobs
        last = page.last
        if last is None or len(jobs) == arguments.limit:
            break
    rows = [content.job_row(current_services(), job) for job in jobs]
    return {"jobs": rows, "searched_until": rfc3339(last.created_at) if last else None}


def list_models(_arguments: schemas.Arguments) -> schemas.Models:
    """List BFL's models: what each is for, the fields of its input, and what it last cost."""
    search = Search(statuses=(Status.STORED,))
    latest_jobs = ownership.load_page(current_services(), search, PRICED_JOBS, None).jobs
    costs: dict[str | None, float] = {}
    for job in latest_jobs:
        if job.cost is not None and job.model not in costs:
            costs[job.model] = job.cost
    endpoints = current_services().schemas.endpoints()
    rows: list[schemas.ModelRow] = []
    for model in sorted(endpoints, key=model_names.rank):
        row: schemas.ModelRow = {
            "model": model,
            "purpose": model_names.purpose(model),
            "seconds": typical_seconds(model),
            "last_cost": costs.get(model),
            "fields": _fields(endpoints[model]),
        }
        rows.append(row)
    return {"models": rows}


def _fields(endpoint: Endpoint) -> list[str]:
    """The names of the fields of all modes, besides the prompt; of numbered fields the first."""
    names: list[str] = []
    for mode in endpoint.modes.values():
        for name in mode.fields:
            is_further = re.fullmatch(r".+_[0-9]+", name) is not None
            if name != "prompt" and not is_further and name not in names:
                names.append(name)
    return names


def budget(_arguments: schemas.Arguments) -> KeyBudgets:
    """Get what your key may still spend, in credits. An empty list: it has no budget."""
    return key_budgets(current_services())


_ALL_TOOLS = (
    Tool("submit", schemas.Generation, schemas.SubmissionResult, generate),
    Tool("submit", schemas.Edit, schemas.SubmissionResult, edit),
    Tool("read", schemas.NamedJob, schemas.JobResult, get_job),
    Tool("read", schemas.AwaitedJob, schemas.JobResult, wait_for_job),
    Tool("submit", schemas.NamedJob, schemas.CancelledJob, cancel_job),
    Tool("read", schemas.JobSearch, schemas.JobRows, search_jobs),
    Tool("read", schemas.Arguments, schemas.Models, list_models),
    Tool("read", schemas.Arguments, KeyBudgets, budget),
)
TOOLS = {tool.run.__name__: tool for tool in _ALL_TOOLS}
