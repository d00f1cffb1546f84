"""What RQ can call by name."""

from jobs import observers
from worker import turn, wiring


def attend(job_id: str) -> None:
    """The id is a hint that work is waiting; the record says what, and for which job first."""
    try:
        turn.take(wiring.get(), job_id, turn.STAY_SECONDS)
    finally:
        observers.flush()  # RQ ends this process without a word
