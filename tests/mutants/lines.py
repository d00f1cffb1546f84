"""Mutants of waiting for BFL: lines, slots, doubts."""

from tests.mutants.mutant import Mutant

_HERE = "tests/submitting"
_LINE = f"{_HERE}/test_line.py"
_ONE, _DOUBT_TESTS = f"{_HERE}/test_one_worker.py", f"{_HERE}/test_doubts.py"
_TOKEN_TESTS = f"{_HERE}/test_tokens.py"
_SCRIPTS, _SUBMISSION, _PLACES = "jobs/scripts.py", "jobs/submission.py", "jobs/places.py"
_PLAN = "jobs/plan.py"
_LET_GO = "    if job.task_id is not None:\n        return _let_go(job)\n"
_SILENCE = f"{_DOUBT_TESTS}::test_what_was_sent_into_silence_is_never_sent_again_by_itself"
_DENIED = f"{_DOUBT_TESTS}::test_a_callback_is_believed_before_an_answer_that_denies_the_task"
_DIED = f"{_LINE}::test_the_slot_of_a_worker_that_died_is_given_back_and_nothing_sent_again"

MUTANTS = (
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
        'return {f"{LINE}{job.model}": job.created_at}',
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
        "if job.resubmits >= RESUBMITS_MAX:",
        "if job.resubmits >= 9:",
        (f"{_DOUBT_TESTS}::test_what_gets_nothing_but_errors_is_submitted_three_times_again",),
    ),
    Mutant(
        "dead-worker-never-sent",
        _SUBMISSION,
        'return doubted(job, now, Doubt.SILENT, "the worker that sent it has gone", patience)',
        'return back_in_line(job, now, "the worker that sent it has gone")',
        (_DIED,),
    ),
    Mutant(
        "error-denies-the-callback",
        _SUBMISSION,
        f"{_LET_GO}    waiting = replace(\n        job,\n        state=State.SUBMITTED,",
        "    waiting = replace(\n        job,\n        state=State.SUBMITTED,",
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
