"""Mutants of waiting for BFL: lines, slots, doubts."""

from tests.mutants.mutant import Mutant

_HERE = "tests/submitting"
_LINE = f"{_HERE}/test_line.py"
_ONE, _DOUBT_TESTS = f"{_HERE}/test_one_worker.py", f"{_HERE}/test_doubts.py"
_TOKEN_TESTS = f"{_HERE}/test_tokens.py"
_OUTAGES, _TWIN_TESTS = f"{_HERE}/test_outages.py", f"{_HERE}/test_twins.py"
_ACCOUNTS, _SUBMIT = f"{_HERE}/test_account.py", "worker/submit.py"
_SCRIPTS, _SUBMISSION, _PLACES = "jobs/scripts.py", "jobs/submission.py", "jobs/places.py"
_PLAN = "jobs/plan.py"
_LET_GO = "    if job.task_id is not None:\n        return _let_go(job)\n"
_SILENCE = f"{_DOUBT_TESTS}::test_what_was_sent_into_silence_is_never_sent_again_by_itself"
_DENIED = f"{_DOUBT_TESTS}::test_a_callback_is_believed_before_an_answer_that_denies_the_task"
_DIED = f"{_LINE}::test_the_slot_of_a_worker_that_died_is_given_back_and_nothing_sent_again"

MUTANTS = (
    Mutant(
        "outage-is-its-own-fault",
        _SUBMIT,
        "            return status > OWN_ERROR\n",
        "            return False\n",
        (f"{_OUTAGES}::test_an_outage_pauses_the_model_and_only_one_job_is_in_doubt",),
    ),
    Mutant(
        "every-500-alone",
        _SUBMIT,
        ">= ERRING_JOBS",
        ">= 99",
        (f"{_OUTAGES}::test_several_jobs_that_get_a_500_in_a_row_are_an_outage",),
    ),
    Mutant(
        "row-of-errors-without-end",
        _SUBMIT,
        "        self._services.slots.went_well(self._model)\n",
        "",
        (f"{_OUTAGES}::test_one_poisoned_job_is_no_outage_to_the_others",),
    ),
    Mutant(
        "probe-leaves-its-pause",
        _SUBMIT,
        "[probe for probe in self._claim.probes if probe != scope]",
        "[]",
        (f"{_OUTAGES}::test_a_probe_without_success_does_not_make_a_short_pause_long",),
    ),
    Mutant(
        "unsent-probe-leaves-its-pause",
        _SUBMIT,
        "        services.slots.release(claim.probes)\n",
        "",
        (f"{_OUTAGES}::test_a_probe_that_was_never_sent_lets_the_next_one_go",),
    ),
    Mutant(
        "pause-for-ever",
        "worker/sweep.py",
        "    services.slots.tidy()\n",
        "",
        (f"{_OUTAGES}::test_a_pause_that_nobody_waits_to_probe_ends",),
    ),
    Mutant(
        "all-workers-send",
        _SCRIPTS,
        "if workers > 1 and",
        "if false and",
        (f"{_OUTAGES}::test_one_worker_is_left_for_rescues",),
    ),
    Mutant(
        "the-same-probe-again",
        _SUBMISSION,
        "    place = now if behind else job.behind\n",
        "    place = job.behind\n",
        (f"{_ACCOUNTS}::test_a_job_that_alone_is_refused_lets_those_behind_it_go",),
    ),
    Mutant(
        "account-for-everything",
        _SUBMIT,
        "self._model if standing is Standing.GOOD else EVERYTHING",
        "EVERYTHING",
        (f"{_ACCOUNTS}::test_a_refusal_of_one_model_leaves_the_others_going",),
    ),
    Mutant(
        "one-failure-is-enough",
        "jobs/twins.py",
        "    return len({*job.setbacks, task_id}) < sent\n",
        "    return False\n",
        (f"{_TWIN_TESTS}::test_the_failure_of_one_task_is_not_the_end_while_the_other_may_do",),
    ),
    Mutant(
        "late-callback-thrown-away",
        "jobs/twins.py",
        "        return _after_all(job, report, now)\n",
        "        return job\n",
        (f"{_TWIN_TESTS}::test_a_late_callback_of_a_job_that_was_given_up_says_whom_to_ask",),
    ),
    Mutant(
        "cap",
        _SCRIPTS,
        "  if not redis.call('ZSCORE', set, member) and redis.call('ZCARD', set) >= most then\n",
        "  if false then\n",
        (f"{_LINE}::test_a_slot_is_not_given_twice_by_workers_that_looked_at_the_same_time",),
    ),
    Mutant(
        "cap-of-a-model",
        _SCRIPTS,
        "local full = most[model] and redis.call('ZCARD', KEYS[2] .. ':' .. model) >= most[model]",
        "local full = false",
        (f"{_LINE}::test_the_longest_waiting_of_those_who_may_goes_first",),
    ),
    Mutant(
        "cap-of-all",
        _SCRIPTS,
        "if redis.call('ZCARD', KEYS[2]) >= tonumber(ARGV[1]) then return {time, false} end\n",
        "",
        (f"{_LINE}::test_a_slot_that_is_given_back_goes_to_the_head_of_the_line",),
    ),
    Mutant(
        "last-come-first-served",
        _SCRIPTS,
        "redis.call('ZRANGE', line, 0, 0, 'WITHSCORES')",
        "redis.call('ZRANGE', line, -1, -1, 'WITHSCORES')",
        (f"{_LINE}::test_the_longest_waiting_of_those_who_may_goes_first",),
    ),
    Mutant(
        "probes-without-end",
        _SCRIPTS,
        "      if ARGV[3] == 'go' then\n",
        "      if false then\n",
        (f"{_LINE}::test_one_probe_goes_after_a_pause_and_the_others_wait_for_its_outcome",),
    ),
    Mutant(
        "late-loser-clears-the-place",
        _SCRIPTS,
        "if version == ARGV[2] then redis.call('ZREM', KEYS[2], ARGV[1]) end",
        "redis.call('ZREM', KEYS[2], ARGV[1])",
        (f"{_LINE}::test_who_came_back_to_the_line_is_not_taken_out_by_one_who_was_late",),
    ),
    Mutant(
        "slot-for-ever",
        _PLACES,
        "        if key not in after:\n",
        "        if key not in after and ACTIVE not in key:\n",
        (f"{_LINE}::test_a_slot_that_is_given_back_goes_to_the_head_of_the_line",),
    ),
    Mutant(
        "place-lost-when-put-off",
        _PLACES,
        'return {f"{LINE}{job.model}": job.behind or job.created_at}',
        'return {f"{LINE}{job.model}": job.updated_at}',
        (f"{_LINE}::test_who_was_put_off_keeps_its_place",),
    ),
    Mutant(
        "line-without-a-name",
        _PLAN,
        "self.places_before.keys() | self.places_after.keys()",
        "self.places_before.keys() ^ self.places_after.keys()",
        (f"{_LINE}::test_a_place_that_was_lost_is_found_again",),
    ),
    Mutant(
        "free-slot-wakes-nobody",
        _PLAN,
        "return had and not self.after.slot and not self.after.waits",
        "return False",
        (
            f"{_ONE}::test_a_job_that_is_ready_wakes_one_worker_for_itself_and_one_for_the_line",
            f"{_LINE}::test_a_slot_that_is_given_back_goes_to_the_head_of_the_line",
        ),
    ),
    Mutant(
        "input-kept",
        _PLAN,
        '            yield "DEL", key\n',
        "            yield from ()\n",
        (f"{_HERE}/test_posting.py::test_what_was_submitted_is_not_kept_once_bfl_has_it",),
    ),
    Mutant(
        "input-of-the-refused-kept",
        _PLAN,
        '            yield "EXPIRE", key, self._input_seconds()\n',
        "            yield from ()\n",
        (f"{_ONE}::test_a_refused_input_is_kept_for_a_day",),
    ),
    Mutant(
        "silence-is-no-reason-to-wait",
        _SUBMISSION,
        "    if job.doubt is Doubt.SILENT:\n        return replace(",
        "    if False:\n        return replace(",
        (
            _SILENCE,
            _DIED,
        ),
    ),
    Mutant(
        "silence-keeps-its-slot",
        _SUBMISSION,
        "return replace(job, slot=False, look_at=job.deadline)",
        "return replace(job, look_at=job.deadline)",
        (_DIED,),
    ),
    Mutant(
        "again-and-again",
        _SUBMISSION,
        "if counts and job.resubmits >= RESUBMITS_MAX:",
        "if counts and job.resubmits >= 9:",
        (f"{_DOUBT_TESTS}::test_what_gets_nothing_but_errors_is_submitted_three_times_again",),
    ),
    Mutant(
        "dead-worker-never-sent",
        _SUBMISSION,
        "return doubted(job, now, Doubt.SILENT, why, patience, calls=calls)",
        "return back_in_line(job, now, why)",
        (_DIED,),
    ),
    Mutant(
        "error-denies-the-callback",
        _SUBMISSION,
        f"{_LET_GO}    deadline = ",
        "    deadline = ",
        (f"{_DENIED}[lie found out]",),
    ),
    Mutant(
        "busy-denies-the-callback",
        _SUBMISSION,
        f"{_LET_GO}    later = ",
        "    later = ",
        (f"{_LINE}::test_what_bfl_has_called_about_is_not_denied_by_its_answer[busy]",),
    ),
    Mutant(
        "refusal-denies-the-callback",
        _SUBMISSION,
        f"{_LET_GO}    failed = ",
        "    failed = ",
        (f"{_LINE}::test_what_bfl_has_called_about_is_not_denied_by_its_answer[refused]",),
    ),
    Mutant(
        "twin-decides",
        "jobs/job.py",
        "return not own and report.news is not News.READY",
        "return False",
        (f"{_TOKEN_TESTS}::test_what_proves_one_job_tells_of_no_other_whatever_the_body_says",),
    ),
)
