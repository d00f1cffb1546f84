"""Mutants of who is let in and what is told: proofs, keys, links, rotation, redaction."""

from tests.mutants.mutant import Mutant

_CONSTANT_TIME_TESTS = "tests/test_constant_time.py"
_REFUSALS_SEEN_TESTS = "tests/bad_input/test_refusals_seen.py"
_ROTATION_TESTS = "tests/faults/test_rotation.py"
_SIGNING_TESTS = "tests/test_signing.py"
_SIGNING, _KEYRING, _API = "jobs/signing.py", "receiver/keyring.py", "receiver/api.py"
_HEARING = "receiver/hearing.py"
_HASTE = f"{_CONSTANT_TIME_TESTS}::test_nothing_is_compared_in_haste"
_SCOPES = "tests/bad_input/test_api_inputs.py::test_a_key_of_a_lesser_scope_is_refused"
_KEYLESS = "tests/bad_input/test_api_inputs.py::test_without_a_key_nothing_is_shown_or_done"


def _open(view: str, scope: str) -> Mutant:
    """A view that asks for no key at all."""
    guarded = _guarded(view, scope)
    unguarded = guarded.partition("\n")[2]
    return Mutant(f"no-key-for-{view}", _API, guarded, unguarded, (_KEYLESS,))


def _guarded(view: str, scope: str) -> str:
    verb = {"show": "get", "listing": "list", "replay": "rescue"}.get(view, view)
    noun = "Jobs" if view == "listing" else "Job"
    return f'@requires("{scope}")\n@Contract(\n    name="{verb}{noun}"'


def _lowered(view: str, scope: str, lower: str) -> Mutant:
    guard = _guarded(view, scope)
    new = guard.replace(scope, lower, 1)
    case = {"expect": "read expects", "replay": "submit replays", "forget": "submit forgets"}[view]
    return Mutant(f"{lower}-may-{view}", _API, guard, new, (f"{_SCOPES}[{case}]",))


MUTANTS = (
    Mutant(
        "callback-without-proof",
        _HEARING,
        "            raise Unauthorized\n",
        "            pass\n",
        ("tests/bad_input/test_authentication.py::test_a_callback_that_proves_nothing_is_refused",),
    ),
    Mutant(
        "empty-secret-is-proof",
        _SIGNING,
        "return None\n        if not (secret_header or signature_header):",
        "return None\n        if secret_header == '':\n            return None\n"
        "        if not (secret_header or signature_header):",
        (f"{_SIGNING_TESTS}::test_no_header_proves_nothing", _HASTE),
    ),
    Mutant(
        "hasty-secret",
        _SIGNING,
        "sum(hmac.compare_digest(given, s) for s in self._secrets) > 0",
        "sum(given == s for s in self._secrets) > 0",
        (_HASTE,),
    ),
    Mutant(
        "hasty-digest",
        _SIGNING,
        "return sum(hmac.compare_digest(given, digest) for digest in digests) > 0",
        "return given in list(digests)",
        (_HASTE,),
    ),
    Mutant(
        "first-match-ends-it",
        _SIGNING,
        "return sum(hmac.compare_digest(given, digest) for digest in digests) > 0",
        "return any(hmac.compare_digest(given, digest) for digest in digests)",
        (_HASTE,),
    ),
    Mutant(
        "hasty-key",
        _KEYRING,
        "if hmac.compare_digest(given, known)]",
        "if given == known]",
        (
            _HASTE,
            f"{_CONSTANT_TIME_TESTS}::test_what_is_compared_is_compared_in_constant_time[receiver/keyring.py]",
        ),
    ),
    Mutant(
        "text-compared",
        _SIGNING,
        'return (header or "").encode("latin-1", "replace")',
        'return (header or "").encode("ascii")',
        (
            f"{_SIGNING_TESTS}::test_headers_of_any_kind_are_refused_without_an_error",
            f"{_SIGNING_TESTS}::test_a_secret_beyond_ascii_is_compared_as_the_bytes_that_were_sent",
        ),
    ),
    _open("expect", "submit"),
    _open("show", "read"),
    _open("listing", "read"),
    _open("replay", "admin"),
    _open("forget", "admin"),
    _lowered("expect", "submit", "read"),
    _lowered("replay", "admin", "submit"),
    _lowered("forget", "admin", "submit"),
    Mutant(
        "scopes-not-ordered",
        "receiver/access.py",
        "if SCOPES.index(admitted(given_key()).scope) < SCOPES.index(scope):",
        "if not admitted(given_key()).scope:",
        (_SCOPES,),
    ),
    Mutant(
        "any-key",
        _KEYRING,
        "            raise Unauthorized\n",
        "            return self._keys[-1][1]\n",
        (_KEYLESS,),
    ),
    Mutant(
        "link-for-ever",
        _SIGNING,
        "        if now >= link.expires:\n",
        "        if False:\n",
        (
            f"{_SIGNING_TESTS}::test_a_link_ends_when_it_says",
            "tests/test_media_links.py::test_an_expired_link_is_gone_and_a_new_one_works",
        ),
    ),
    Mutant(
        "one-webhook-secret",
        _SIGNING,
        "for secret in secrets]",
        "for secret in list(secrets)[:1]]",
        (
            f"{_SIGNING_TESTS}::test_each_secret_proves_the_origin_in_both_official_ways",
            f"{_ROTATION_TESTS}::test_every_callback_is_acknowledged_in_the_end",
        ),
    ),
    Mutant(
        "one-signing-key",
        _SIGNING,
        "for key in keys][::-1]",
        "for key in list(keys)[:1]]",
        (
            f"{_SIGNING_TESTS}::test_the_first_key_signs_and_all_verify",
            f"{_ROTATION_TESTS}::test_a_link_lives_until_its_key_is_dropped",
        ),
    ),
    Mutant(
        "last-key-signs",
        _SIGNING,
        "for key in keys][::-1]",
        "for key in keys]",
        (f"{_SIGNING_TESTS}::test_the_first_key_signs_and_all_verify",),
    ),
    Mutant(
        "one-api-key",
        _KEYRING,
        "for key in keys]",
        "for key in list(keys)[:1]]",
        (f"{_ROTATION_TESTS}::test_a_new_key_opens_the_api_before_the_old_one_is_dropped",),
    ),
    Mutant(
        "signed-queries-told",
        "jobs/bfl.py",
        'return _SIGNED_QUERY.sub(r"\\1", text)',
        "return text",
        (
            "tests/test_hostile_reports.py::test_a_signed_query_never_survives_in_a_result",
            "tests/test_hostile_reports.py::test_a_signed_query_never_survives_in_an_explanation",
        ),
    ),
    Mutant(
        "urls-kept-after-the-end",
        "jobs/job.py",
        "            urls=(),\n            roles=(),\n",
        "            roles=(),\n",
        ("tests/test_transitions.py::test_an_unfetched_job_expires_at_its_deadline",),
    ),
    Mutant(
        "unforeseen-text-told",
        "receiver/problems.py",
        '"Something went wrong here."',
        "str(error)",
        ("tests/test_problems.py::test_what_nobody_foresaw_is_a_500_that_tells_nothing",),
    ),
    Mutant(
        "refusal-notes",
        _HEARING,
        "            _note(self._services.refusals, job_id or _claimed_id(raw), refusal)\n",
        "",
        (
            f"{_REFUSALS_SEEN_TESTS}::test_a_refused_callback_is_shown_on_the_jobs_timeline_with_the_reason",
            f"{_REFUSALS_SEEN_TESTS}::test_a_refused_callback_is_counted",
        ),
    ),
    Mutant(
        "refusals-without-bound",
        "jobs/scripts.py",
        "redis.call('LTRIM', KEYS[2], 0, ARGV[2] - 1)\n",
        "",
        (
            f"{_REFUSALS_SEEN_TESTS}::test_a_flood_of_refused_callbacks_does_not_hide_how_the_job_began",
        ),
    ),
    Mutant(
        "refusals-of-strangers",
        "jobs/scripts.py",
        "if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end\n",
        "",
        ("tests/test_refusals.py::test_a_refusal_for_a_job_nobody_knows_is_only_counted",),
    ),
)
