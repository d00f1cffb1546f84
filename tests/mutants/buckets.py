"""Mutants of buckets, of what stands beside their objects, and of the links into them."""

from tests.mutants.mutant import Mutant

_STORE_TESTS, _BUCKET_TESTS = "tests/test_media_store.py", "tests/test_bucket.py"
_SIDECAR_TESTS, _LINK_TESTS = "tests/test_sidecars.py", "tests/test_presigned_links.py"
_ADOPTION_TESTS = "tests/test_adoption.py"
_BUCKET, _LINKS, _RESCUE = "jobs/bucket.py", "receiver/media.py", "worker/rescue.py"

MUTANTS = (
    Mutant(
        "bucket-put-overwrites",
        _BUCKET,
        'mode="create", attributes=headers',
        'mode="overwrite", attributes=headers',
        (f"{_STORE_TESTS}::test_an_object_is_never_overwritten",),
    ),
    Mutant(
        "bucket-unchecked-conditions",
        _BUCKET,
        'raise WrongStorage("the bucket overwrites',
        'str("the bucket overwrites',
        (f"{_BUCKET_TESTS}::test_a_store_that_overwrites_is_not_good_enough",),
    ),
    Mutant(
        "bucket-type-forgotten",
        _BUCKET,
        "headers if self._provider.copy_drops_headers else None",
        "None",
        (f"{_BUCKET_TESTS}::test_the_bucket_knows_type_and_name_of_what_it_serves",),
    ),
    Mutant(
        "staging-of-the-living",
        "jobs/staging.py",
        "            fcntl.flock(hold, fcntl.LOCK_EX | fcntl.LOCK_NB)\n            shutil",
        "            shutil",
        (f"{_BUCKET_TESTS}::test_only_what_the_dead_have_staged_is_dropped",),
    ),
    Mutant(
        "sidecar-stale",
        "receiver/api.py",
        "if change.after.state is State.STORED:",
        "if False:",
        (f"{_SIDECAR_TESTS}::test_what_is_said_of_a_stored_job_is_said_beside_it_too",),
    ),
    Mutant(
        "presigned-beyond-the-link",
        _LINKS,
        "min(seconds, PRESIGNED_SECONDS)",
        "PRESIGNED_SECONDS",
        (f"{_LINK_TESTS}::test_nobody_keeps_the_redirect_and_it_dies_no_later_than_the_link",),
    ),
    Mutant(
        "lost-job-deletes",
        _RESCUE,
        "                self._claim.commit(Job.renewed)\n                media.delete(key)\n",
        "                media.delete(key)\n",
        (f"{_ADOPTION_TESTS}::test_a_worker_that_lost_its_job_touches_nothing_that_stands_there",),
    ),
    Mutant(
        "adoption-unseen",
        "worker/adoption.py",
        "        if not _is_sound(path, content_type):\n            return None\n",
        "",
        (f"{_ADOPTION_TESTS}::test_what_breaks_off_is_not_adopted",),
    ),
)
