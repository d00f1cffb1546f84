"""Two of each process at once do no double work."""

from tests.harness import Stack

JOBS = 40
POLLED = 10

SETTINGS = {"CALLBACK_GRACE": "4"}


def test_two_of_everything_download_each_image_once(stack: Stack) -> None:
    installation = stack.installation
    installation.start()
    stack.sandbox.settings.max_active = 1000
    hooks = [f"{url}/webhooks/bfl" for url in installation.urls]
    assert len(hooks) == len(installation.worker) == len(installation.sweep) == 2
    silent = [stack.announced() for _ in range(POLLED)]
    called = [stack.generate(webhook_url=hooks[n % 2], callback=2) for n in range(JOBS - POLLED)]
    for task in called:
        assert stack.stored(task)["source"] == "callback"
        assert stack.outcomes(task, 2) == [200, 200]
        assert stack.polls(task) == []
    for task in silent:
        assert stack.stored(task)["source"] == "poll"
        assert len(stack.polls(task)) == 1
    for task in called + silent:
        assert len(stack.deliveries(task)) == len(stack.objects(task)) == 1
    assert len(stack.settled()) == JOBS
