"""What RQ can call by name."""

from worker import turn, wiring


def attend(job_id: str) -> None:
    """The id is a hint that work is waiting; the record says what, and for which job first."""
    turn.take(wiring.get(), job_id)
