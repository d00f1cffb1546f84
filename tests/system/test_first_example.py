"""The example of tests/README.md for a promise of the whole product."""

from tests.harness import Stack

SETTINGS = {"CALLBACK_GRACE": "1"}  # of this module's installation


def test_media_are_stored_although_the_callback_and_a_download_fail(stack: Stack) -> None:
    task = stack.announced(delivery_500=1)  # BFL never calls back about it
    job = stack.stored(task)  # waits, and compares the bytes with those of the sandbox
    assert job["source"] == "poll"
    assert len(stack.deliveries(task)) == 2
    stack.settled(idle=False)  # every job has ended, and the invariants hold
