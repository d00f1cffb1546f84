"""Something that does not agree with something else."""

from collections.abc import Callable
from typing import NamedTuple


class Finding(NamedTuple):
    """What it is about, what is wrong with it, and how it is mended, where it can be.

    `mend` looks again before it does anything; False means that there was nothing to do any more.
    """

    about: str
    said: str
    mend: Callable[[], bool] | None = None
