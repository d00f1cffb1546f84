"""Submissions: `POST /api/jobs` queues a job for BFL."""

from http import HTTPStatus

from flask import Blueprint, jsonify
from flask.typing import ResponseReturnValue

from jobs import views
from jobs.bfl.input_problems import judge
from jobs.domain import errors
from jobs.domain.job import Job
from jobs.domain.job_record import Submission
from jobs.services import Services
from receiver import input_body
from receiver.context import current_services
from receiver.idempotent_submission import enqueue_request
from receiver.schemas.bodies import validate_with_input
from receiver.schemas.endpoint_spec import EndpointSpec
from receiver.schemas.submission import (
    DryRunView,
    SubmissionBody,
    SubmissionQuery,
    SubmittedJobView,
)
from receiver.submission_checks import dry_run

SUBMISSION_ERRORS = (
    errors.OverBudget,
    errors.PriceUnknown,
    errors.QueueFull,
    errors.StorageError,
    errors.StorageFull,
)

blueprint = Blueprint("submissions", __name__, url_prefix="/api/jobs")


@blueprint.post("")
@EndpointSpec(
    scope="submit",
    query=SubmissionQuery,
    headers=("Idempotency-Key",),
    body=SubmissionBody,
    responses={200: DryRunView, 202: SubmittedJobView},
    errors=SUBMISSION_ERRORS,
)
def submit_job() -> ResponseReturnValue:
    """Submit to BFL. A repeated `Idempotency-Key` returns the same job."""
    is_dry_run = SubmissionQuery.read().dry_run
    with input_body.receive() as received:
        body = validate_with_input(SubmissionBody, received.fields)
        if is_dry_run:
            return jsonify(dry_run(current_services(), body))
        job = enqueue_request(current_services(), body, Submission(), received.digest)
    return accepted_response(current_services(), job, body)


def accepted_response(services: Services, job: Job, body: SubmissionBody) -> ResponseReturnValue:
    """The 202 of a job, with warnings about its input."""
    findings = judge(services.schemas.endpoints(), body.model, body.input)
    view: SubmittedJobView = {**views.job_view(services, job), "warnings": findings["warnings"]}
    return jsonify(view), HTTPStatus.ACCEPTED, {"Location": f"/api/jobs/{job.id}"}
