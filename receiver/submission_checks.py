"""Checks of a submission against the settings and BFL's document, and its dry run."""

from flask import has_request_context, request

from jobs import drafts, kept_inputs
from jobs.bfl.hosts import API_HOSTS, region_of
from jobs.bfl.input_problems import NAME_MAX_CHARS, judge, plain_name
from jobs.domain import errors
from jobs.services import Services
from receiver.auth import current_key_name
from receiver.idempotency_key import require_header
from receiver.ownership import is_visible
from receiver.schemas.submission import DryRunView, SubmissionBody


def dry_run(services: Services, body: SubmissionBody) -> DryRunView:
    """Check a submission and tell its price, without a job.

    Raises the errors of a submission, except those of a full budget or queue.
    """
    if has_request_context():
        require_header(request.headers.get("Idempotency-Key"))
    require_region(services, body.region)
    refuse_dry_run_in_input(services, body)
    drafts.find(services, body.input, is_visible)
    packed_input = kept_inputs.pack(body.input, services.settings.max_input_bytes)
    price = services.budgets.price(body.model, packed_input.values)
    findings = judge(services.schemas.endpoints(), body.model, body.input)
    return {
        "price": price.credits,
        "known": price.is_known,
        "left": services.budgets.credits_left(current_key_name()),
        "problems": findings["problems"],
        "warnings": findings["warnings"],
    }


def require_region(services: Services, region: str | None) -> None:
    """A regional BFL_API_URL binds all jobs to its region. Raises Invalid."""
    required_region = services.settings.region
    if not region or not required_region:
        return
    if region_of(API_HOSTS[region]) != required_region:
        message = f"this Fluxkeep keeps its jobs in {required_region}"
        raise errors.Invalid([{"field": "region", "message": message}])


def refuse_dry_run_in_input(services: Services, body: SubmissionBody) -> None:
    """Raise Invalid: BFL ignores the field, makes the picture, and bills it."""
    dry_run_names = [name for name in body.input if plain_name(name) == plain_name("dry_run")]
    if not dry_run_names:
        return
    endpoint = services.schemas.endpoints().get(body.model)
    for name in dry_run_names:
        # BFL may give a model a field of this name one day.
        if endpoint and name in endpoint.modes[endpoint.mode_of(body.input)].fields:
            continue
        message = "it belongs into the query: POST /api/jobs?dry_run=true submits nothing"
        raise errors.Invalid([{"field": f"input.{name[:NAME_MAX_CHARS]}", "message": message}])
