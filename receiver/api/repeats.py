"""Repeats: `POST /api/jobs/<id>/repeats` submits the input of a job again, with changes."""

from typing import Annotated, Any

from flask import Blueprint, jsonify
from flask.typing import ResponseReturnValue
from pydantic import BaseModel, ConfigDict, Field, JsonValue

from jobs import kept_inputs
from jobs.domain import errors
from jobs.domain.job import Job
from jobs.domain.job_record import Submission
from jobs.services import Services
from receiver import input_body
from receiver.api.submissions import SUBMISSION_ERRORS, accepted_response
from receiver.blocking_calls import run_in_thread
from receiver.context import current_services
from receiver.idempotent_submission import enqueue_request
from receiver.job_actions import load_job
from receiver.schemas.bodies import Metadata, ModelPath, NotifyUrl, validate_with_input
from receiver.schemas.endpoint_spec import EndpointSpec
from receiver.schemas.submission import (
    DryRunView,
    OverBudgetChoice,
    Region,
    SubmissionBody,
    SubmissionQuery,
    SubmittedJobView,
)
from receiver.submission_checks import dry_run

blueprint = Blueprint("repeats", __name__, url_prefix="/api/jobs")


class RepeatBody(BaseModel):
    """Body of `POST /api/jobs/<id>/repeats`: changes to the job that is repeated."""

    model_config = ConfigDict(extra="forbid", strict=True)

    model: ModelPath | None = None
    input: Annotated[
        dict[str, JsonValue], Field(description="replaces these values; null removes one")
    ] = {}
    metadata: Metadata = None
    notify_url: NotifyUrl = None
    region: Region = None
    over_budget: OverBudgetChoice = "refuse"


@blueprint.post("/<job_id>/repeats")
@EndpointSpec(
    scope="submit",
    query=SubmissionQuery,
    headers=("Idempotency-Key",),
    body=RepeatBody,
    is_body_required=False,
    responses={200: DryRunView, 202: SubmittedJobView},
    errors=(errors.UnknownJob, errors.InputNotKept, *SUBMISSION_ERRORS),
)
def repeat_job(job_id: str) -> ResponseReturnValue:
    """Submit a job's input again. The body can replace the model, the metadata and the region."""
    is_dry_run = SubmissionQuery.read().dry_run
    with input_body.receive(default=b"{}") as received:
        body = validate_with_input(RepeatBody, received.fields)
        original = load_job(current_services(), job_id)
        changes = body.model_dump(exclude={"input"})
        changes["input"] = body.input
        fields = repeat_fields(current_services(), original, changes)
        submission = validate_with_input(SubmissionBody, fields)
        if is_dry_run:
            return jsonify(dry_run(current_services(), submission))
        job = enqueue_request(
            current_services(), submission, Submission(), received.digest, repeats=original.id
        )
    return accepted_response(current_services(), job, submission)


def repeat_fields(services: Services, job: Job, changes: dict[str, Any]) -> dict[str, Any]:
    """The fields of a submission that repeats a job. Raises InputNotKept, StorageError."""
    if job.request.public_input is None:
        raise errors.InputNotKept
    kept_input = run_in_thread(kept_inputs.load, services.storage, job)
    if kept_input is None:
        raise errors.InputNotKept
    merged_input = dict(kept_input)
    merged_input.update(changes.get("input") or {})
    metadata = changes.get("metadata")
    if metadata is None:
        metadata = dict(job.metadata)
    return {
        "model": changes.get("model") or job.model or "",
        "input": {name: value for name, value in merged_input.items() if value is not None},
        "metadata": metadata,
        "notify_url": changes.get("notify_url"),
        "region": changes.get("region") or job.request.region,
        "over_budget": changes.get("over_budget") or "refuse",
    }
