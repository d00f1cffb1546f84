"""Mutants of the worker: its hold on a job, what it keeps, whom it asks and how often."""

from tests.mutants.mutant import Mutant

_CLAIM_TESTS = "tests/test_claim.py"
_POWER_CUT_TESTS = "tests/faults/test_power_cut.py"
_TRANSITIONS_TESTS = "tests/test_transitions.py"
_TURNS_TESTS = "tests/test_turns.py"
_CLAIM, _DIRECTORY, _RESCUE = "worker/claim.py", "jobs/directory.py", "worker/rescue.py"
_POLL, _TURN = "worker/poll.py", "worker/turn.py"

MUTANTS = (
    Mutant(
        "fence",
        _CLAIM,
        "return job.fence, job.created_at",
        "return 0, job.created_at",
        (f"{_CLAIM_TESTS}::test_whoever_was_taken_over_commits_nothing",),
    ),
    Mutant(
        "fence-of-a-namesake",
        _CLAIM,
        "return job.fence, job.created_at",
        "return job.fence, 0.0",
        ("tests/test_store.py::test_a_claim_on_a_forgotten_job_is_not_good_for_its_namesake",),
    ),
    Mutant(
        "fence-without-lease",
        _CLAIM,
        "job.lease_until is None or _hold(job) != _hold(self.job)",
        "_hold(job) != _hold(self.job)",
        (
            f"{_CLAIM_TESTS}::test_whoever_was_given_up_commits_nothing_before_the_next_one_comes",
            f"{_CLAIM_TESTS}::test_what_has_ended_is_not_committed_to",
        ),
    ),
    Mutant(
        "claim-of-all",
        _CLAIM,
        "if job and job.wanted is not None else job",
        "if job else job",
        ("tests/test_store.py::test_only_one_of_many_workers_gets_a_job",),
    ),
    Mutant(
        "lease-renewal",
        _CLAIM,
        "                self.commit(Job.renewed)\n            except ClaimLost:",
        "                pass\n            except ClaimLost:",
        (
            f"{_CLAIM_TESTS}::test_a_lease_is_renewed_while_its_worker_works",
            f"{_CLAIM_TESTS}::test_a_worker_is_told_at_once_when_its_job_was_taken_over",
        ),
    ),
    Mutant(
        "transfer-not-cut-on-loss",
        _CLAIM,
        "                    self.on_loss()\n",
        "                    pass\n",
        (f"{_CLAIM_TESTS}::test_a_worker_is_told_at_once_when_its_job_was_taken_over",),
    ),
    Mutant(
        "poisoned-in-worker",
        _CLAIM,
        "            _put_off(store, job_id, error)\n",
        "            del error\n",
        (f"{_CLAIM_TESTS}::test_a_broken_record_is_put_off_by_the_worker_that_finds_it",),
    ),
    Mutant(
        "sigterm-hand-back",
        _TURN,
        "            _hand_back(services, claim)\n",
        "            pass\n",
        (f"{_TURNS_TESTS}::test_a_worker_that_is_told_to_stop_hands_its_job_back",),
    ),
    Mutant(
        "first-in-first-out",
        _TURN,
        "_most_urgent(services) or _next_in_line(services) or Claim.take(",
        "_next_in_line(services) or Claim.take(",
        (
            f"{_TURNS_TESTS}::test_the_url_that_dies_first_is_fetched_first_whatever_the_entry_names",
            f"{_TURNS_TESTS}::test_a_question_to_bfl_does_not_come_before_a_url_that_dies_soon",
        ),
    ),
    Mutant(
        "fsync-of-the-file",
        "worker/fetch.py",
        "            os.fsync(file.fileno())\n",
        "",
        (f"{_POWER_CUT_TESTS}::test_the_bytes_are_on_the_disk_before_the_object_appears",),
    ),
    Mutant(
        "fsync-of-directories",
        _DIRECTORY,
        "            staged.unlink()\n            _sync_directories(path, self.root)\n",
        "            staged.unlink()\n",
        (
            f"{_POWER_CUT_TESTS}::test_every_directory_down_to_the_object_is_on_the_disk_before_the_commit",
        ),
    ),
    Mutant(
        "fsync-of-one-directory",
        _DIRECTORY,
        "        if directory == root:\n",
        "        if directory:\n",
        (
            f"{_POWER_CUT_TESTS}::test_every_directory_down_to_the_object_is_on_the_disk_before_the_commit",
        ),
    ),
    Mutant(
        "rename-overwrites",
        _DIRECTORY,
        "os.link(staged, path)",
        "os.replace(staged, path)",
        ("tests/test_media_store.py::test_an_object_is_never_overwritten",),
    ),
    Mutant(
        "staging-stays",
        _DIRECTORY,
        "                path.unlink(missing_ok=True)\n",
        "                pass\n",
        (
            "tests/test_media_store.py::test_what_is_staged_is_gone_when_the_work_breaks_off",
            "tests/test_health.py::test_readiness_leaves_nothing_in_the_storage",
        ),
    ),
    Mutant(
        "abandoned-stays",
        _DIRECTORY,
        "if path.stat().st_mtime < horizon:",
        "if False:",
        ("tests/test_media_store.py::test_a_staged_file_is_dropped_a_minute_after_its_last_byte",),
    ),
    Mutant(
        "abandoned-at-once",
        _DIRECTORY,
        "if path.stat().st_mtime < horizon:",
        "if True:",
        ("tests/test_media_store.py::test_a_staged_file_is_dropped_a_minute_after_its_last_byte",),
    ),
    Mutant(
        "adoption",
        _RESCUE,
        "if job.fence > 1 and (found := adoption.left_behind(",
        "if False and (found := adoption.left_behind(",
        (f"{_TURNS_TESTS}::test_a_file_that_a_dead_worker_published_is_adopted",),
    ),
    Mutant(
        "leftovers",
        _RESCUE,
        "            drop_if_over(services, before)\n",
        "            pass\n",
        (
            f"{_TURNS_TESTS}::test_what_is_published_for_a_job_that_is_not_stored_in_the_end_does_not_stay",
        ),
    ),
    Mutant(
        "retry-after",
        _POLL,
        "max(seconds, retry_after or 0.0), firm=retry_after is not None",
        "seconds",
        (f"{_TURNS_TESTS}::test_bfl_is_not_asked_before_the_time_it_named",),
    ),
    Mutant(
        "asked-again-and-again",
        _RESCUE,
        "None if job.asked_again else poll.inquire(services, job)",
        "poll.inquire(services, job)",
        (f"{_TURNS_TESTS}::test_a_fresh_url_is_asked_for_once",),
    ),
    Mutant(
        "asking-not-remembered",
        "jobs/job.py",
        "asked_again=self.asked_again or self._answers_for_dead_url(report)",
        "asked_again=False",
        (
            f"{_TURNS_TESTS}::test_a_fresh_url_is_asked_for_once",
            f"{_TRANSITIONS_TESTS}::test_a_fresh_url_takes_the_job_from_the_worker_that_has_the_old_one",
        ),
    ),
)
