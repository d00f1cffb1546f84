"""Words of rows that another release has folded by another rule are folded once more.

It runs in a thread of the sweep process, once after an upgrade, and begins anew if it is killed.
"""

from jobs import search_words
from jobs.archive.archive import Archive
from jobs.store.listing import Position

BATCH = 500
BATCH_INTERVAL_SECONDS = 0.1
POLL_SECONDS = 3600.0  # a backup of the database may bring older words back

_START = Position(float("-inf"), "")


class Folding:
    """The walk of one sweep through all rows. Raises ArchiveUnavailable."""

    def __init__(self, archive: Archive) -> None:
        self._archive = archive
        self._after: Position | None = None  # None while nothing is to be done

    def run_batch(self) -> float:
        """Fold the words of some rows; return the seconds until the next batch."""
        if self._after is None:
            if self._archive.state().folding == search_words.FOLDING:
                return POLL_SECONDS
            self._after = _START
        self._after = self._archive.fold_again(self._after, BATCH)
        if self._after is None:
            return POLL_SECONDS
        return BATCH_INTERVAL_SECONDS
