"""Mutants of who is told of a job's end: where that may lead, how often, and in whose turn."""

from tests.mutants.mutant import Mutant

_NOTICE, _TARGET, _HOSTS, _WEB = "jobs/notice.py", "jobs/target.py", "jobs/hosts.py", "jobs/web.py"
_STEPS, _RECIPIENTS, _TURNS = (
    "tests/test_notices.py",
    "tests/test_recipients.py",
    "tests/test_lanes.py",
)

MUTANTS: tuple[Mutant, ...] = (
    Mutant(
        "notice-of-another-end",
        _NOTICE,
        "if notice is None or notice.since != sent.since:",
        "if notice is None:",
        (f"{_STEPS}::test_the_end_of_an_older_life_is_not_taken_for_that_of_a_newer_one",),
    ),
    Mutant(
        "notice-id-without-its-end",
        _TARGET,
        "{self.to}\\0{self.since!r}",
        "{self.to}",
        (f"{_STEPS}::test_a_replayed_job_takes_back_what_was_not_told_yet_and_ends_anew",),
    ),
    Mutant(
        "notice-for-ever",
        _NOTICE,
        "    if now >= until:\n        return None\n",
        "",
        (
            f"{_STEPS}::test_the_pauses_grow_over_a_day_and_then_it_is_given_up_where_that_can_be_seen",
        ),
        (("return min(now + max(pause, asked), until)", "return now + max(pause, asked)"),),
    ),
    Mutant(
        "notice-to-any-host",
        _HOSTS,
        "if ANY_HOST not in self.notify_hosts:",
        "if not self.notify_hosts:",
        (f"{_RECIPIENTS}::test_where_hosts_are_named_no_other_is_told",),
    ),
    Mutant(
        "notice-in-clear",
        _HOSTS,
        "Reach.NAMED if https else Reach.NEAR",
        "Reach.NAMED",
        (f"{_RECIPIENTS}::test_plain_http_to_a_named_host_never_leaves_for_the_internet",),
    ),
    Mutant(
        "notice-to-metadata",
        "jobs/addresses.py",
        '            "127.0.0.0/8",\n',
        '            "127.0.0.0/8",\n            "169.254.0.0/16",\n',
        (f"{_RECIPIENTS}::test_no_setting_opens_what_is_neither_public_nor_private",),
    ),
    Mutant(
        "notice-senders-all-slow",
        "worker/lanes.py",
        "not lane.out and slow < SLOW_MAX",
        "not lane.out",
        (f"{_TURNS}::test_slow_hosts_together_leave_half_of_the_senders_to_the_others",),
    ),
)
