"""Sentences for the event codes of a timeline."""

from jobs.timeline import EventCode
from receiver.dashboard.filters import EVENT_TEXTS, event_text


def test_every_event_code_has_its_own_sentence() -> None:
    assert set(EVENT_TEXTS) == set(EventCode)
    assert len({event_text(code) for code in EventCode}) == len(EventCode)
