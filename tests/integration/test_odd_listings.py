"""A bucket lists as it likes: a deletion leaves nothing, and nothing of others goes."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from redis import Redis

from jobs.domain.errors import StorageError
from jobs.domain.retention import DAY_SECONDS
from jobs.storage import bucket
from jobs.storage.bucket import BucketStorage
from jobs.storage.layout import object_key, sidecar_key
from jobs.storage.limits import RequestLimits
from jobs.storage.providers import Provider
from receiver import checks
from receiver.checks.context import Context
from receiver.checks.result import Grade
from receiver.job_actions import delete_or_erase
from tests.harness import S3Server
from tests.harness.odd_s3_server import Oddities, OddS3Server
from tests.harness.parts import services_over
from tests.simulation.boundaries import load_test_settings
from worker.periodic import erasure

CREATED_AT = 1_767_225_600.0
LIMITS = RequestLimits(10.0, 0)

ODDITIES = {
    "as expected": Oddities(),
    "ignores start-after": Oddities(ignores_start_after=True),
    "reversed": Oddities(order="reversed"),
    "shuffled": Oddities(order="shuffled"),
    "reversed, ignores start-after": Oddities(order="reversed", ignores_start_after=True),
    "pages of two": Oddities(page_keys=2),
    "reversed pages of two": Oddities(page_keys=2, order="reversed", ignores_start_after=True),
    "shuffled pages of one": Oddities(page_keys=1, order="shuffled"),
    "keys come twice": Oddities(page_keys=2, repeats_keys=True),
    "empty pages": Oddities(page_keys=2, has_empty_pages=True),
    "quoted keys": Oddities(quotes_keys=True),
    "quoted keys, reversed": Oddities(quotes_keys=True, order="reversed"),
    "a clock of its own": Oddities(last_modified="2099-12-31T23:59:59.999Z"),
}

Open = Callable[[Oddities], BucketStorage]


@pytest.fixture
def opened(s3_server: S3Server, temporary: Path) -> Iterator[Open]:
    """A bucket behind a server with these oddities."""
    assert temporary.exists()
    servers = list[OddS3Server]()

    def start(oddities: Oddities) -> BucketStorage:
        server = OddS3Server(s3_server, oddities)
        servers.append(server)
        name = f"keep-{uuid4()}"
        server.bucket(name)
        return BucketStorage(Provider(f"s3://{name}/kept/here", server.variables, LIMITS))

    yield start
    for server in servers:
        server.close()


def store_jobs(storage: BucketStorage, *job_ids: str) -> None:
    for job_id in job_ids:
        for n in range(2):
            key = object_key(job_id, CREATED_AT, n, 7, "image/png")
            storage.write(key, b"bytes")
            storage.write(sidecar_key(key), b"{}")


@pytest.fixture(params=[bucket.WHOLE_DAY_KEYS, 0], ids=["a small day", "a large day"])
def day(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """How many objects of a day are read before the order of a listing is proven."""
    monkeypatch.setattr(bucket, "WHOLE_DAY_KEYS", request.param)
    return int(request.param)


@pytest.mark.parametrize("name", ODDITIES)
def test_nothing_of_a_deleted_job_is_left_and_nothing_of_others_goes(
    opened: Open, day: int, name: str
) -> None:
    assert day >= 0
    storage = opened(ODDITIES[name])
    store_jobs(storage, "a", "job", "job-0", "z")
    before = {listed.key for listed in storage.list_objects()}
    assert len(before) == 16
    listed = [each.key for each in storage.list_objects_of(("job",), CREATED_AT)]
    expected = [object_key("job", CREATED_AT, n, 7, "image/png") for n in range(2)]
    assert sorted(listed) == sorted([*expected, *map(sidecar_key, expected)])
    storage.delete_superseded("job", CREATED_AT, 7, named_keys=())
    gone = before - {each.key for each in storage.list_objects()}
    assert gone == set(listed)


@pytest.mark.parametrize("name", ["as expected", "shuffled pages of one", "keys come twice"])
def test_the_objects_of_many_jobs_are_listed_once_each(opened: Open, day: int, name: str) -> None:
    assert day >= 0
    storage = opened(ODDITIES[name])
    store_jobs(storage, "a", "b", "c", "d")
    keys = [each.key for each in storage.list_objects_of(("a", "c", "d"), CREATED_AT)]
    assert len(keys) == len(set(keys)) == 12


@pytest.mark.parametrize("name", ODDITIES)
def test_what_is_relied_on_is_proven(opened: Open, name: str) -> None:
    storage = opened(ODDITIES[name])
    odd = ODDITIES[name]
    is_ordered = odd.order == "sorted" and not odd.ignores_start_after and not odd.repeats_keys
    assert storage.prove_listing() == is_ordered
    assert list(storage.list_objects()) == []


def test_a_bucket_that_does_not_list_what_is_new_is_named(opened: Open) -> None:
    storage = opened(Oddities(hides=frozenset(["probe"])))
    with pytest.raises(StorageError, match="does not list"):
        storage.prove_listing()


def test_doctor_names_a_bucket_that_does_not_list(opened: Open) -> None:
    for hidden, grade in (("probe", Grade.WARNING), ("nothing", Grade.OK)):
        context = Context(load_test_settings())
        context.storage = opened(Oddities(hides=frozenset([hidden])))
        (result,) = checks.storage.check_listing(context)
        assert result.grade is grade


def test_a_person_is_erased_from_a_bucket_that_lists_backwards(opened: Open, redis: Redis) -> None:
    """Without a record: each day is searched."""
    services: Any = services_over(redis)
    services.storage = opened(Oddities(order="reversed", ignores_start_after=True))
    store_jobs(services.storage, "a", "job", "z")
    assert not delete_or_erase(services, "job")
    services.due.erasures.schedule("job", CREATED_AT - DAY_SECONDS)
    while services.due.erasures.earliest(1):
        erasure.step(services)
    objects_left = [each.key for each in services.storage.list_objects()]
    assert len(objects_left) == 8
    assert not [key for key in objects_left if "/job-" in key]
