"""Situations of jobs on their way, and of batches: the faults of a run."""

from functools import partial
from typing import Any

from jobs.store.batch_actions import Action
from tests.simulation.batch_world import BatchWorld
from tests.simulation.world import Faults, World

# Longer than a URL lives, and soon enough that no request or task needs a new record.
FULL = (2.0, 1500.0)

MODELS = ("flux-dev", "flux-dev", "flux-2-pro")
submissions = partial(World, models=MODELS)

SITUATIONS: dict[str, partial[Any]] = {  # each makes a world
    "kills and stalls": partial(World, Faults(kills=2, stalls=1, duplicates=2)),
    "no callback": partial(World, Faults(kills=3, lost_callbacks=True)),
    "a storage that refuses": partial(World, Faults(stalls=1, storage_errors=2, duplicates=1)),
    "a minute without Redis": partial(World, Faults(kills=1, outage=(1.5, 65.0), duplicates=1)),
    "a deadline while Redis is away": partial(
        World, Faults(kills=1, stalls=1, outage=(20.0, 1000.0), download_seconds=40.0)
    ),
    "a failover that loses a second": partial(
        World, Faults(kills=1, failover_at=2.5, duplicates=1)
    ),
    "a download longer than a lease": partial(World, Faults(download_seconds=40.0, duplicates=1)),
    "a deletion among callbacks": partial(World, Faults(kills=1, duplicates=3, deleted_at=2.5)),
    "a deletion during a download": partial(
        World,
        Faults(kills_after_publishing=2, stalls=1, deleted_at=12.5, download_seconds=20.0),
    ),
    "a deletion and a storage that refuses": partial(
        World, Faults(kills=1, storage_errors=2, deleted_at=12.5, download_seconds=5.0)
    ),
    "wrong clocks": partial(World, Faults(clocks=3, storage_errors=2, lost_callbacks=True)),
    "submissions": partial(submissions, Faults(kills=2, stalls=1, bfl=3, duplicates=1)),
    "submissions without callbacks": partial(
        submissions, Faults(kills=1, bfl=2, lost_callbacks=True)
    ),
    "submissions and wrong clocks": partial(submissions, Faults(kills=1, clocks=1, bfl=2)),
    "submissions and a minute without Redis": partial(
        submissions, Faults(bfl=2, outage=(1.5, 65.0))
    ),
    "submissions and a full Redis": partial(submissions, Faults(kills=1, bfl=2, full=FULL)),
    "submissions and lost replies": partial(submissions, Faults(bfl=1, lost_replies=4)),
    "submissions and a failover": partial(submissions, Faults(bfl=2, failover_at=2.5)),
    "submissions and replays": partial(submissions, Faults(kills=1, bfl=6, replays=True)),
    "a batch of rescues": partial(BatchWorld, Faults(kills=5, stalls=2)),
    "a batch of deletions": partial(BatchWorld, Faults(kills=5, stalls=2), action=Action.DELETE),
    "a batch and lost replies": partial(BatchWorld, Faults(kills=1, lost_replies=6)),
    "a batch and a minute without Redis": partial(
        BatchWorld, Faults(kills=1, outage=(10.5, 70.0)), action=Action.DELETE
    ),
    # Fluxkeep learns of the cluster from the files of the first task.
    "lost callbacks on a cluster that nobody has named": partial(
        submissions, Faults(lost_callbacks=True, first_callbacks=1, clusters=("us9",))
    ),
    "submissions and a deletion": partial(submissions, Faults(kills=1, bfl=2, deleted_at=12.5)),
}
