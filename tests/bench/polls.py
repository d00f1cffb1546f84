"""Number of polls by length of a job, compared with the loop in BFL's docs.

Time runs SPEED times as fast: jobs and the grace of their model are that much shorter. It takes
a minute.
"""

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from jobs.domain.polling_policy import callback_grace
from tests.harness.patience import wait_for
from tests.harness.stack import stack_over, start
from tests.sandbox import Sandbox, Settings

SPEED = 120
DOCS_PAUSE_SECONDS = 0.5  # time.sleep(0.5) between two polls
JOBS = 5
CLUSTERS = 2


class Case(NamedTuple):
    """Jobs of one length."""

    name: str
    model: str
    seconds: float
    switches: dict[str, Any]


CASES = (
    Case("10 s", "flux-2-pro", 10, {}),
    Case("90 s", "flux-3-image", 90, {}),
    Case("10 min", "flux-3-video", 600, {}),
    Case("an hour, progress every 10 min", "flux-3-video", 3600, {"progress_events": 5}),
)


def main() -> None:
    print(
        "| job | model | grace, s | the loop in BFL's docs | callbacks arrive | callbacks lost "
        "| lost, on one of two clusters |"
    )
    print("|---|---|---|---|---|---|---|")
    for case in CASES:
        print(_row(case), flush=True)


def _row(case: Case) -> str:
    grace = callback_grace(case.model)
    docs = case.seconds / DOCS_PAUSE_SECONDS
    with ThreadPoolExecutor() as pool:  # both wait most of the time
        polls = partial(_polls, case, grace / SPEED)
        arrive, lost, in_clusters = pool.map(polls, ("once", "never", "never"), (0, 0, CLUSTERS))
    numbers = f"{grace:.0f} | {docs:.0f} | {arrive} | {lost} | {in_clusters}"
    return f"| {case.name} | `{case.model}` | {numbers} |"


def _polls(case: Case, grace: float, callback: str, clusters: int) -> int:
    """Largest number of polls for one job, at all hosts of BFL."""
    lenient = Settings(strict=False)  # this sandbox accepts a webhook for FLUX 3
    settings = {"CALLBACK_GRACE": str(grace)}
    with (
        TemporaryDirectory(prefix="fluxkeep-bench-") as directory,
        stack_over(Sandbox(lenient, clusters=clusters), Path(directory), None, settings) as stack,
    ):
        start(stack)
        switches = {"seconds": case.seconds / SPEED, "callback": callback, **case.switches}
        tasks = [stack.generate(case.model, **switches) for _ in range(JOBS)]
        for task in tasks:
            stack.announce(task)  # without a polling URL, as BFL answers beside a webhook
        for task in tasks:
            stack.client.wait_for(task.id, "stored", timeout=180)
        wait_for("every thumbnail", lambda: not stack.awaiting_thumbnails(), 60)
        return max(len(stack.polls(task)) for task in tasks)
