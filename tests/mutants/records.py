"""Mutants of what is on record: states, the due set, the queue, the clock, races."""

from tests.mutants.mutant import Mutant

_REDIS_FAULTS_TESTS = "tests/faults/test_redis_faults.py"
_TURNS_TESTS = "tests/test_turns.py"
_JOB, _STATES, _STORE = "jobs/job.py", "jobs/states.py", "jobs/store.py"
_SCRIPTS, _SWEEP = "jobs/scripts.py", "worker/sweep.py"
_PLACES = "jobs/places.py"
_END_TO_END_TESTS = "tests/test_callbacks_end_to_end.py"
_TABLE = "TRANSITIONS: dict[tuple[State, News], State] = {\n"
_END = {"MODERATED": "MODERATED", "FAILED": "FAILED", "READY": "READY"}
_ENDED = ("STORED", "MODERATED", "FAILED", "EXPIRED", "LOST")
_NEWS = ("PROGRESS", "UNCLEAR", "READY", "MODERATED", "FAILED")


def _row(state: str, news: str) -> str:
    return f"    (State.{state}, News.{news}): State.{_END.get(news, 'SUBMITTED')},\n"


def _reopened(state: str, news: str) -> Mutant:
    """A row more than the table has."""
    return Mutant(
        f"row-{state}-{news}".lower(),
        _STATES,
        _TABLE,
        _TABLE + _row(state, news),
        ("tests/test_transitions.py::test_no_row_starts_from_a_terminal_state",),
    )


def _distracted(news: str) -> Mutant:
    """Something else than another URL takes a job away from its rescue."""
    return Mutant(
        f"row-ready-{news}".lower(),
        _STATES,
        _TABLE,
        _TABLE + _row("READY", news),
        ("tests/test_transitions.py::test_a_job_with_a_url_listens_only_to_another_url",),
    )


MUTANTS = (
    *(_reopened(state, news) for state in _ENDED for news in _NEWS),
    *(_distracted(news) for news in _NEWS if news != "READY"),
    Mutant(
        "terminal-rows-in-use",
        _STATES,
        _TABLE,
        _TABLE + "".join(_row(state, "READY") for state in _ENDED),
        (
            "tests/test_transitions.py::test_a_late_callback_does_not_reopen_a_lost_job",
            f"{_END_TO_END_TESTS}::test_nothing_that_comes_after_stored_changes_anything",
            "tests/bad_input/test_odd_bodies.py::test_old_news_changes_nothing",
        ),
    ),
    Mutant(
        "replay-reopens-all",
        "jobs/submission.py",
        "if job.state not in REOPENABLE:",
        "if not job.state.terminal:",
        ("tests/test_transitions.py::test_what_is_stored_refused_or_under_way_is_not_replayed",),
    ),
    Mutant(
        "lease-expiry",
        _JOB,
        "return self.lease_until is not None and self.lease_until > now",
        "return self.lease_until is not None",
        (
            "tests/test_due.py::test_the_sweep_takes_over_a_job_whose_worker_has_died",
            "tests/test_transitions.py::test_a_job_whose_lease_ran_out_waits_for_a_worker_again",
        ),
    ),
    Mutant(
        "lease-ignored",
        _JOB,
        "return self.lease_until is not None and self.lease_until > now",
        "return False",
        ("tests/test_due.py::test_the_sweep_leaves_a_job_to_the_worker_that_has_it",),
    ),
    Mutant(
        "deadline",
        _JOB,
        "        if now >= self.deadline:\n            return self.given_up(now)\n",
        "",
        ("tests/test_due.py::test_the_sweep_ends_what_is_past_its_deadline",),
    ),
    Mutant(
        "due",
        _PLACES,
        "        found[DUE] = job.look_at\n",
        "        pass\n",
        ("tests/test_due.py::test_an_unfinished_job_is_due_when_its_record_says",),
    ),
    Mutant(
        "due-for-ever",
        _PLACES,
        "        if key not in after:\n",
        "        if key not in after and key != DUE:\n",
        (
            "tests/test_due.py::test_an_ended_job_is_never_due",
            "tests/test_due.py::test_the_sweep_ends_what_is_past_its_deadline",
        ),
    ),
    Mutant(
        "waiting-for-ever",
        _PLACES,
        "        if key not in after:\n",
        "        if key not in after and key != WAITING:\n",
        ("tests/test_due.py::test_a_job_in_hand_is_due_when_its_lease_ends",),
    ),
    Mutant(
        "hints-topped-up",
        _SWEEP,
        "due.unhinted or _next_in_line(services, due)",
        "_next_in_line(services, due)",
        (
            "tests/test_due.py::test_the_sweep_writes_the_entries_that_rq_has_lost",
            f"{_REDIS_FAULTS_TESTS}::test_the_queue_is_rebuilt_when_the_keys_of_rq_are_gone",
        ),
    ),
    Mutant(
        "hints-for-all",
        _SCRIPTS,
        "redis.call('ZCARD', KEYS[2]) - entries",
        "redis.call('ZCARD', KEYS[2])",
        ("tests/test_due.py::test_the_sweep_writes_no_entry_that_rq_has",),
    ),
    Mutant(
        "poisoned-in-sweep",
        _SWEEP,
        "        services.store.put_off(job_id, POISONED_FOR_SECONDS)\n",
        "",
        (
            "tests/test_store_faults.py::test_a_broken_record_is_put_off_and_the_next_one_looked_after",
        ),
    ),
    Mutant(
        "version",
        _SCRIPTS,
        "if version ~= ARGV[1] then return {time, 0, current} end\n",
        "",
        (
            "tests/test_store.py::test_no_update_is_lost_between_writers",
            "tests/test_claim.py::test_of_two_workers_that_looked_at_the_same_time_one_gets_the_job",
        ),
    ),
    Mutant(
        "old-news",
        _STORE,
        "if after is before or after is None:",
        "if after is None:",
        ("tests/test_store.py::test_a_step_that_changes_nothing_writes_nothing",),
    ),
    Mutant(
        "duplicate-is-news",
        _JOB,
        "return fresh and report.death(now) > (self.urls_die_at or 0.0)",
        "return True",
        (
            "tests/test_transitions.py::test_the_same_callback_twice_changes_nothing",
            "tests/test_transitions.py::test_a_url_that_dies_sooner_is_old_news",
        ),
    ),
    Mutant(
        "redis-clock",
        "jobs/clock.py",
        "return time.monotonic() + (self._offset or 0.0)",
        "return time.time()",
        ("tests/test_store_faults.py::test_the_clock_is_that_of_redis_and_not_of_this_machine",),
    ),
    Mutant(
        "old-idea-of-now",
        _SCRIPTS,
        "if drift > most_drift or drift < -most_drift then return {time, 0, current} end\n",
        "",
        (
            "tests/test_store_faults.py::test_a_machine_that_slept_does_not_write_deadlines_that_are_over",
        ),
    ),
    Mutant(
        "memory-first",
        _SCRIPTS,
        "redis.call('SET', KEYS[1], ARGV[2])\nlocal function next_number",
        "redis.call('DEL', 'fluxkeep:due', 'fluxkeep:waiting')\n"
        "redis.call('SET', KEYS[1], ARGV[2])\nlocal function next_number",
        (
            "tests/test_store_faults.py::test_without_memory_nothing_is_recorded_not_even_in_part",
            "tests/test_store_faults.py::test_without_memory_a_known_job_stays_as_it_was",
        ),
    ),
    Mutant(
        "optimistic-create",
        "jobs/intake.py",
        "new=from_callback and not announced",
        "new=False",
        ("tests/test_store.py::test_a_fresh_callback_costs_one_round_trip",),
    ),
    Mutant(
        "most-urgent-last",
        _SCRIPTS,
        "redis.call('ZRANGE', KEYS[1], 0, ARGV[2] - 1)",
        "redis.call('ZREVRANGE', KEYS[1], 0, ARGV[2] - 1)",
        (
            f"{_TURNS_TESTS}::test_the_url_that_dies_first_is_fetched_first_whatever_the_entry_names",
        ),
    ),
)
