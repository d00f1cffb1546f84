"""Types of JSON responses other than jobs; the OpenAPI document is generated from them."""

from typing import Annotated, Any, NotRequired

from pydantic import Field
from typing_extensions import TypedDict

from jobs.store.change_stream import ChangeKind
from jobs.views import JobView, Time
from receiver.problem_types import PAGE, problem_texts


class JobPage(TypedDict):
    """A page of jobs, newest first."""

    jobs: list[JobView]
    next_cursor: Annotated[str | None, Field(description="opaque; null at the end of the list")]


class JobEvent(JobView):
    """Data of a `job` event: the job, and what changed."""

    change: Annotated[
        NotRequired[ChangeKind], Field(description="absent where a stream of one job begins")
    ]


class DeletedJob(TypedDict):
    """Data of a `deleted` event: a job was deleted."""

    id: str


class Reset(TypedDict):
    """Data of a `reset` event: some of the missed events are no longer stored."""

    reason: str


class CallbackAccepted(TypedDict):
    """The job after a callback whose report is on record."""

    id: str
    status: Annotated[
        str,
        Field(
            description="of the job, or `deleted`; `held` while the database, which may have the "
            "job, is away"
        ),
    ]


class Readiness(TypedDict):
    """Readiness of the installation."""

    status: Annotated[str, Field(description="`ready` or `not ready`")]
    checks: Annotated[dict[str, str], Field(description="`ok` or a sentence, by check")]


class WrongField(TypedDict):
    """A field with an invalid value."""

    field: str
    message: str


class Problem(TypedDict):
    """Problem details (RFC 9457)."""

    type: Annotated[str, Field(description=f"`{PAGE}#` and the code")]
    title: str
    status: int
    code: Annotated[str, Field(json_schema_extra={"enum": [kind.code for kind in problem_texts()]})]
    detail: Annotated[str, Field(description="what is wrong and where, for people")]
    errors: NotRequired[list[WrongField]]
    budget: NotRequired[
        Annotated[str, Field(description="the budget that refuses, as in `500/month`")]
    ]
    spent: NotRequired[Annotated[float, Field(description="of that budget, in credits")]]
    resets_at: NotRequired[Time]


class CountProblem(Problem):
    """Problem details of the first step of a batch: the parameters of its second step."""

    count: Annotated[int, Field(description="number of jobs that match")]
    until: Annotated[Time, Field(description="the matching jobs were created before")]


class Relayed(TypedDict):
    """BFL's error response to a submission, or ours in its form."""

    message: str
    detail: NotRequired[Any]
