"""`python -m tests.mutants [NAME...]`: exit code 1 unless every mutant is noticed by its tests."""

import argparse
import sys
from collections.abc import Sequence

from deploy.procfile import ROOT
from tests.mutants import (
    bodies,
    buckets,
    lines,
    notices,
    records,
    rescues,
    secrets,
    submissions,
    transfers,
)
from tests.mutants.mutant import Misplaced, Mutant
from tests.mutants.workshop import Unclear, a_copy, red

MUTANTS: tuple[Mutant, ...] = (
    *records.MUTANTS,
    *rescues.MUTANTS,
    *transfers.MUTANTS,
    *bodies.MUTANTS,
    *buckets.MUTANTS,
    *secrets.MUTANTS,
    *lines.MUTANTS,
    *submissions.MUTANTS,
    *notices.MUTANTS,
)


def main() -> int:
    chosen = _chosen()
    if not _sound(chosen):
        return 1
    verdicts = [_verdict(mutant) for mutant in chosen]
    _tell(f"{verdicts.count(True)} of {len(verdicts)} killed")
    return 0 if all(verdicts) else 1


def _chosen() -> Sequence[Mutant]:
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="all that begin so; default: all")
    parser.add_argument("--list", action="store_true", help="print the table and run nothing")
    given = parser.parse_args()
    wanted = tuple(given.names)
    found = [mutant for mutant in MUTANTS if not wanted or mutant.name.startswith(wanted)]
    if not found:
        parser.error("no mutant has such a name")
    if given.list:
        for mutant in found:
            _tell(f"{mutant.name}  {mutant.file}  {' '.join(mutant.tests)}")
        sys.exit(0)
    return found


def _sound(mutants: Sequence[Mutant]) -> bool:
    """Every text is in its place, and every test is green as long as nothing is taken out."""
    misplaced = [sentence for mutant in mutants if (sentence := _misplaced(mutant))]
    for sentence in misplaced:
        _tell(sentence)
    if misplaced:
        return False
    tests = tuple(dict.fromkeys(test for mutant in mutants for test in mutant.tests))
    try:
        with a_copy() as root:
            already = red(root, tests)
    except Unclear as error:
        _tell(f"unclear without any mutant: {error}")
        return False
    if already:
        _tell(f"red without any mutant: {' '.join(sorted(already))}")
    return not already


def _misplaced(mutant: Mutant) -> str:
    try:
        mutant.applied(ROOT)
    except Misplaced as error:
        return str(error)
    return ""


def _verdict(mutant: Mutant) -> bool:
    with a_copy() as root:
        (root / mutant.file).write_text(mutant.applied(root))
        try:
            noticed = red(root, mutant.tests)
        except Unclear as error:
            _tell(f"unclear   {mutant.name}: {error}")
            return False
    missed = [test for test in mutant.tests if test not in noticed]
    _tell(f"{'survived' if missed else 'killed  '}  {mutant.name}  {' '.join(missed)}".rstrip())
    return not missed


def _tell(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
