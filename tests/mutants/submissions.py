"""Mutants of submitting: what is sent, tokens, regions, idempotency."""

from tests.mutants.mutant import Mutant

_HERE = "tests/submitting"
_LINE = f"{_HERE}/test_line.py"
_ONE, _DOUBT_TESTS = f"{_HERE}/test_one_worker.py", f"{_HERE}/test_doubts.py"
_TOKEN_TESTS, _PAUSE_TESTS = f"{_HERE}/test_tokens.py", f"{_HERE}/test_pauses.py"
_SAME_KEY_TESTS, _REGION_TESTS = f"{_HERE}/test_idempotency.py", "tests/test_regions.py"
_ORDER_TESTS = f"{_HERE}/test_wrong_orders.py"
_SUBMIT, _ACCOUNT_FILE = "worker/submit.py", "jobs/account.py"
_TURN = "worker/turn.py"
_SIGNING, _HOSTS, _WEB = "jobs/signing.py", "jobs/hosts.py", "jobs/web.py"
_ORDERS = "receiver/submissions.py"
_SILENCE = f"{_DOUBT_TESTS}::test_what_was_sent_into_silence_is_never_sent_again_by_itself"
_OTHERS_SECRET = f"{_TOKEN_TESTS}::test_the_secret_of_another_job_proves_nothing"
_OLD_KEY = f"{_TOKEN_TESTS}::test_a_callback_is_good_while_the_key_of_its_submission_is_known"
_ACCOUNT = (
    f"{_PAUSE_TESTS}::test_what_concerns_the_account_pauses_everything_until_a_probe_goes_through"
)
_OUTSIDE = f"{_REGION_TESTS}::test_a_delivery_url_outside_the_region_is_refused"
_FORGED = f"{_TOKEN_TESTS}::test_a_forged_token_is_refused_like_everything_that_proves_nothing"
_MEDIA_OUTSIDE = (
    f"{_REGION_TESTS}::test_media_outside_the_region_are_refused_before_anything_is_asked_for"
)

MUTANTS = (
    Mutant(
        "lost-answer-to-an-admission",
        "worker/claim.py",
        "if change.after and own and _lease(change.after) == _lease(own):",
        "if change.written and change.after:",
        (f"{_ONE}::test_a_job_is_submitted_although_the_answer_to_its_admission_got_lost",),
    ),
    Mutant(
        "busy-is-a-refusal",
        _SUBMIT,
        "        elif answer.status == dialect.TOO_MANY:\n",
        "        elif False:\n",
        (f"{_PAUSE_TESTS}::test_too_many_active_tasks_are_waited_for_and_nobody_loses_a_place",),
    ),
    Mutant(
        "no-credits-is-a-refusal",
        _ACCOUNT_FILE,
        '    dialect.NO_CREDITS: "BFL says that the credits are used up",\n',
        "",
        (f"{_ACCOUNT}[402-BFL says that the credits are used up]",),
    ),
    Mutant(
        "refused-key-is-a-refusal",
        _ACCOUNT_FILE,
        '    **dict.fromkeys(dialect.KEY_REFUSED, "BFL refuses the API key"),\n',
        "",
        (f"{_ACCOUNT}[401-BFL refuses the API key]",),
    ),
    Mutant(
        "nobody-calls-the-next",
        _SUBMIT,
        "        _call_the_next(services)\n",
        "",
        (f"{_ONE}::test_each_that_is_submitted_calls_the_next",),
    ),
    Mutant(
        "pause-over-unnoticed",
        "worker/sweep.py",
        "    return (found.job_id,) if found else ()\n",
        "    return ()\n",
        (f"{_LINE}::test_the_sweep_wakes_a_worker_when_a_pause_is_over",),
    ),
    Mutant(
        "stopped-while-admitting",
        _TURN,
        "        with submit.undisturbed():\n",
        "        if services:\n",
        (f"{_ONE}::test_a_worker_that_is_told_to_stop_leaves_no_job_that_nobody_has",),
    ),
    Mutant(
        "sending-forgotten",
        _WEB,
        "        wire.sent = True\n",
        "",
        (f"{_ONE}::test_an_answer_that_does_not_come_in_time_leaves_a_doubt", _SILENCE),
    ),
    Mutant(
        "never-sent-is-a-doubt",
        _WEB,
        "        kind = TransferFailed if wire.sent else NotSent\n",
        "        kind = TransferFailed\n",
        (
            f"{_ONE}::test_where_nobody_listens_nothing_was_sent",
            f"{_PAUSE_TESTS}::test_without_a_connection_a_job_stays_in_line",
        ),
    ),
    Mutant(
        "token-unsigned",
        _SIGNING,
        "return str(self._serializer.loads(token))",
        "return str(self._serializer.loads_unsafe(token)[1])",
        (f"{_FORGED}[a bit off]",),
    ),
    Mutant(
        "one-secret-for-all-jobs",
        _SIGNING,
        'f"{_DERIVATION} {job_id}"',
        "_DERIVATION",
        (
            _OTHERS_SECRET,
            f"{_HERE}/test_posting.py::test_each_job_has_a_token_and_a_secret_of_its_own",
        ),
    ),
    Mutant(
        "old-tokens-die",
        _SIGNING,
        "URLSafeSerializer(self._keys[::-1], salt=_CALLBACK_SALT)",
        "URLSafeSerializer(self._keys[0], salt=_CALLBACK_SALT)",
        (_OLD_KEY,),
    ),
    Mutant(
        "old-secrets-die",
        _SIGNING,
        "SecretStr(_derived(key, job_id)) for key in self._keys)",
        "SecretStr(_derived(key, job_id)) for key in self._keys[:1])",
        (_OLD_KEY,),
    ),
    Mutant(
        "any-region",
        _HOSTS,
        "regions(address.origin.host) == {self.region}",
        "True",
        (
            _OUTSIDE,
            f"{_REGION_TESTS}::test_a_polling_url_outside_the_region_is_refused",
            _MEDIA_OUTSIDE,
            f"{_REGION_TESTS}::test_a_caller_may_name_no_polling_url_outside_the_region",
        ),
    ),
    Mutant(
        "one-of-two-regions",
        _HOSTS,
        "regions(address.origin.host) == {self.region}",
        "self.region in regions(address.origin.host)",
        (f"{_OUTSIDE}[delivery.eu-us.bfl.ai]",),
    ),
    Mutant(
        "polling-url-believed",
        "jobs/bfl_submissions.py",
        "        return replace(task, polling_url=None)\n",
        "        return task\n",
        (f"{_REGION_TESTS}::test_a_polling_url_that_leads_out_of_the_region_is_not_kept",),
    ),
    Mutant(
        "same-key-any-order",
        _ORDERS,
        "    if job.request != asked:\n",
        "    if False:\n",
        (f"{_SAME_KEY_TESTS}::test_another_order_under_the_same_key_is_refused",),
    ),
    Mutant(
        "late-submission",
        "jobs/plan.py",
        "SUBMISSION_LATE_SECONDS = 1.5",
        "SUBMISSION_LATE_SECONDS = 5.0",
        (f"{_HERE}/test_late_writes.py::test_what_was_answered_with_503_is_not_submitted_later",),
    ),
    Mutant(
        "foreign-name",
        "jobs/intake.py",
        "    if named is not None and named.id != job_id:\n",
        "    if False:\n",
        (f"{_HERE}/test_own_jobs.py::test_the_secret_of_a_job_in_doubt_takes_no_name_of_another",),
    ),
    Mutant(
        "own-jobs-go-anywhere",
        "receiver/api.py",
        "        _leave_settled(known, facts)\n",
        "",
        (f"{_HERE}/test_own_jobs.py::test_an_announcement_sends_a_job_of_ours_nowhere_else",),
    ),
    Mutant(
        "key-of-anybody",
        _ORDERS,
        "(given_key(), key), raw)",
        '("", key), raw)',
        (f"{_SAME_KEY_TESTS}::test_the_key_of_another_holder_is_another_key",),
    ),
    Mutant(
        "key-for-ever",
        _ORDERS,
        "IDEMPOTENT_SECONDS = 86400.0",
        "IDEMPOTENT_SECONDS = 8640000.0",
        (f"{_SAME_KEY_TESTS}::test_a_key_is_free_again_after_a_day",),
    ),
    Mutant(
        "any-model",
        "receiver/bodies.py",
        "    if not is_model(value):\n",
        "    if False:\n",
        (f"{_ORDER_TESTS}::test_a_model_that_is_no_path_of_plain_names_is_refused",),
    ),
    Mutant(
        "readers-submit",
        _ORDERS,
        '@requires("submit")',
        '@requires("read")',
        (f"{_ORDER_TESTS}::test_a_key_that_may_not_submit_is_refused[read-403]",),
    ),
)
