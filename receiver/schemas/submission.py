"""Submission: the body and parameters of `POST /api/jobs`, and its responses."""

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, JsonValue

from jobs.bfl import submissions as bfl_submissions
from jobs.bfl.input_problems import InputFindings, InputProblem
from jobs.domain import errors
from jobs.views import JobView
from receiver.schemas.bodies import Metadata, ModelPath, NotifyUrl
from receiver.schemas.query import Query

WEBHOOK_IN_INPUT = "BFL calls Fluxkeep for this job; give your own receiver as notify_url"
Region = Literal["global", "eu", "us", "eu1", "us1"] | None
OverBudgetChoice = Annotated[
    Literal["refuse", "wait"],
    Field(description="for a job that the key's budget has no room for: 402, or queued until then"),
]


def _require_generation(model: str) -> str:
    if not bfl_submissions.is_generation(model):
        raise ValueError(bfl_submissions.explain_no_generation(model))
    return model


def _refuse_webhook(model_input: dict[str, JsonValue]) -> dict[str, JsonValue]:
    """Raises Invalid: BFL calls Fluxkeep instead."""
    webhook_names = [name for name in bfl_submissions.WEBHOOK_FIELDS if name in model_input]
    if webhook_names:
        raise errors.Invalid(
            [{"field": f"input.{name}", "message": WEBHOOK_IN_INPUT} for name in webhook_names]
        )
    return model_input


class SubmissionBody(BaseModel):
    """Body of `POST /api/jobs`."""

    model_config = ConfigDict(extra="forbid", strict=True)

    model: Annotated[ModelPath, AfterValidator(_require_generation)]
    input: Annotated[dict[str, JsonValue], AfterValidator(_refuse_webhook)]
    metadata: Metadata = None
    notify_url: NotifyUrl = None
    region: Annotated[
        Region,
        Field(description="BFL_API_URL decides if absent; `eu1` and `us1` are BFL's older hosts"),
    ] = None
    over_budget: OverBudgetChoice = "refuse"


DryRun = Annotated[
    bool, Field(description="`true` or `1` submits nothing, and says what it would cost")
]


class SubmissionQuery(Query):
    """Parameters of a submission."""

    dry_run: DryRun = False


class DryRunView(InputFindings):
    """Price of a submission in credits, and the findings about its input by BFL's document."""

    price: Annotated[float | None, Field(description="the last one that BFL named; null: none yet")]
    known: Annotated[
        bool, Field(description="for this mode and size; otherwise it is the model's dearest")
    ]
    left: Annotated[float | None, Field(description="of the key's budgets; null without one")]


class SubmittedJobView(JobView):
    """The job that was queued."""

    warnings: Annotated[
        list[InputProblem],
        Field(description="the model or fields that BFL's document does not know: perhaps typos"),
    ]
