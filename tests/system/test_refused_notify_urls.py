"""A `notify_url` that cannot be notified is refused at once."""

from tests.harness import Client, Installation
from tests.harness.notifications import NEW


def complaints(client: Client, url: str) -> list[dict[str, str]]:
    """Error of both ways to give a `notify_url`; fails if they differ."""
    order = {"model": "flux-2-pro", "input": {"prompt": "p"}, "notify_url": url}
    answers = [
        client.request("POST", "/api/jobs", json=order),
        client.put_job("abc", notify_url=url),
    ]
    assert {answer.status_code for answer in answers} == {422}
    first, second = (answer.json()["errors"] for answer in answers)
    assert first == second
    found: list[dict[str, str]] = first
    return found


def test_a_url_that_cannot_be_notified_is_refused_at_once(
    stopped_installation: Installation,
) -> None:
    own = stopped_installation
    own.settings["BFL_SANDBOX_URL"] = None  # with it plain http to this machine is allowed
    own.start("web")
    own.start("web", NOTIFY_SECRET=NEW, NOTIFY_HOSTS="app.example")
    own.start("web", NOTIFY_SECRET=NEW)
    without, named, anybody = (own.client("submit", url) for url in own.urls)
    (error,) = complaints(without, "https://app.example/")
    assert error["field"] == "notify_url" and "NOTIFY_SECRET" in error["message"]
    (error,) = complaints(named, "https://other.example/")
    assert error["field"] == "notify_url" and "NOTIFY_HOSTS" in error["message"]
    assert named.put_job("abc", notify_url="https://app.example/").status_code == 201
    for url in ("http://app.example/", "http://127.0.0.1/", "http://169.254.169.254/"):
        assert [error["field"] for error in complaints(anybody, url)] == ["notify_url"]
