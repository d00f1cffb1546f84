"""Arguments and results of the tools; their JSON Schemas are generated from these types."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema
from typing_extensions import TypedDict

from jobs import views
from jobs.bfl import model_names
from jobs.domain.status import Status
from receiver.schemas.query import FILTER_VALUE_MAX_CHARS, FILTERS_MAX, WORDS_MAX_CHARS, Time

WAIT_MAX_SECONDS = 50  # routers cut a silent request off after 60 s
WAIT_DEFAULT_SECONDS = 25
ROWS_MAX = 50
ROWS_DEFAULT = 10

JobId = Annotated[str, Field(description="id of a job, or fluxkeep://jobs/<id>")]
Wait = Annotated[
    float,
    Field(ge=0, le=WAIT_MAX_SECONDS, description="seconds to wait for the end; videos take longer"),
]
Words = Annotated[str, Field(max_length=WORDS_MAX_CHARS)]
Text = Annotated[str, Field(max_length=FILTER_VALUE_MAX_CHARS)]
SearchTime = Annotated[Time, BeforeValidator(str)]  # unix seconds may come as a number


class Arguments(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class NewJob(Arguments):
    prompt: str
    model: Annotated[str, Field(description="see `list_models`")] = model_names.DEFAULT
    wait: Wait = WAIT_DEFAULT_SECONDS
    over_budget: Literal["refuse", "wait"] = "refuse"
    dry_run: bool = Field(default=False, description="true submits nothing: problems and price")


class Generation(NewJob):
    images: list[str] = Field(
        default=[],
        description="references, or what the model works on, in the order of its fields: https "
        "URLs, data URLs, base64, ids of stored jobs, or fluxkeep://jobs/<id>/media/<n>",
    )
    input: dict[str, Any] = Field(
        default={}, description="more fields of the model, such as width, height, seed, duration"
    )


class Edit(NewJob):
    job: JobId


class NamedJob(Arguments):
    id: JobId


class AwaitedJob(NamedJob):
    wait: Wait = WAIT_DEFAULT_SECONDS


class JobSearch(Arguments):
    query: Words = Field(
        default="", description='words of the prompt, all of them; a "phrase" in quotes'
    )
    metadata: Annotated[dict[Text, Text], Field(max_length=FILTERS_MAX)] = {}
    since: SearchTime | None = Field(
        default=None, description="created then or later: RFC 3339, or a day"
    )
    until: SearchTime | None = Field(default=None, description="created before")
    limit: Annotated[int, Field(ge=1, le=ROWS_MAX)] = ROWS_DEFAULT


class JobRow(TypedDict):
    id: str
    status: Status
    model: str | None
    prompt: str
    created_at: views.Time
    links: Annotated[list[str], Field(description="to its files; they need no key, and expire")]


class JobResult(JobRow):
    """A job; its complete record is the resource `fluxkeep://jobs/<id>`."""

    seed: int | None
    cost: Annotated[float | None, Field(description="in BFL's credits")]
    message: Annotated[str, Field(description="what to do next")]


# Each word of a schema is in every conversation: the fields stand at `get_job`.
SubmissionResult = Annotated[
    dict[str, Any],
    WithJsonSchema(
        {
            "type": "object",
            "description": "as of `get_job`; of a dry run price, known, left, problems, warnings",
        }
    ),
]


class JobRows(TypedDict):
    jobs: Annotated[list[JobRow], Field(description="the newest first")]
    searched_until: Annotated[
        views.Time | None, Field(description="give this as `until` for older ones; null at the end")
    ]


class ModelRow(TypedDict):
    model: str
    purpose: str
    seconds: Annotated[float, Field(description="that a generation usually takes")]
    last_cost: Annotated[float | None, Field(description="credits of its latest job, if known")]
    fields: Annotated[list[str], Field(description="of its input, besides the prompt")]


class CancelledJob(TypedDict):
    id: str
    message: str


class Models(TypedDict):
    models: list[ModelRow]
