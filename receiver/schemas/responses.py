"""What the web process answers beside jobs, as types: the API's document is made from them."""

from typing import Annotated, Any, NotRequired

from pydantic import Field
from typing_extensions import TypedDict

from jobs import view_types


class JobPage(TypedDict):
    """Some jobs, newest first."""

    jobs: list[view_types.Job]
    next_cursor: Annotated[str | None, Field(description="opaque; null at the end of the list")]


class Forgotten(TypedDict):
    """The data of an event `forgotten`: a job was deleted."""

    id: str


class Reset(TypedDict):
    """The data of an event `reset`: not all that was missed is held any more."""

    reason: str


class CallbackAccepted(TypedDict):
    """The job after an accepted callback."""

    id: str
    status: Annotated[str, Field(description="of the job, or `forgotten`")]


class Alive(TypedDict):
    """This process lives."""

    status: str


class Readiness(TypedDict):
    """Whether the installation can do its work."""

    status: Annotated[str, Field(description="`ready` or `not ready`")]
    checks: Annotated[dict[str, str], Field(description="`ok` or a sentence, by part")]


class WrongField(TypedDict):
    """A field that may not be as it is."""

    field: str
    message: str


class Problem(TypedDict):
    """An error as RFC 9457 has it; its `type` is about:blank."""

    title: str
    status: int
    detail: str
    errors: NotRequired[list[WrongField]]


class Relayed(TypedDict):
    """BFL's refusal of a submission in its own words, or ours in its form."""

    message: str
    detail: NotRequired[Any]
