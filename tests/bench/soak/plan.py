"""Jobs and faults of a soak run, and what came of them."""

from collections import Counter
from dataclasses import asdict, dataclass, field, fields


@dataclass(frozen=True)
class Plan:
    """A third of the jobs have no callback, a tenth of the callbacks come three times."""

    jobs: int
    seed: int
    outage_seconds: float = 60.0
    kill_every: tuple[float, float] = (2.0, 5.0)
    in_flight: int = 400  # submission waits while so many jobs have not ended
    faults_seconds: float = float("inf")
    timeout_seconds: float = 7200.0


@dataclass
class Report:
    """Every figure is counted after the run, from the sandbox, the records and the objects."""

    jobs: int = 0
    without_callback: int = 0
    in_triplicate: int = 0
    callbacks_acknowledged: int = 0
    callbacks_unanswered: int = 0
    announced_afterwards: int = 0
    polled_only: int = 0
    rescued_again: int = 0
    replayed: int = 0
    objects: int = 0
    bytes_compared: int = 0
    thumbnails: int = 0
    kills: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0

    def table(self) -> str:
        """The report as a table of Markdown."""
        kills = ", ".join(f"{n} {name}" for name, n in sorted(self.kills.items()))
        values = asdict(self) | {"kills": kills, "seconds": f"{self.seconds:.0f}"}
        rows = [f"| {one.name.replace('_', ' ')} | {values[one.name]} |" for one in fields(self)]
        return "\n".join(["| | |", "|---|---|", *rows])
