"""Rate limits: each key has its own quota, and each address its limit of wrong keys."""

import itertools
import json
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from jobs.store.rate_limiter import WRONG_KEYS_MAX
from jobs.store.redis.keys import WRONG_KEYS_PREFIX
from tests.harness import KEYS, Client, Installation

FORWARDED = "X-Forwarded-For"
MORE_KEYS = {name: f"{name}-key-canary-1a" for name in ("five", "bfl", "few")}
WRONG_KEYS_ALLOWED = WRONG_KEYS_MAX.requests
BLOCKED_SECONDS = 40

_addresses = (f"198.51.100.{n}" for n in itertools.count(1))


@pytest.fixture(scope="module")
def two_webs(module_installation: Installation) -> Installation:
    """Two web processes, then two with small quotas that do not refill during a test."""
    here = module_installation
    more = ",".join(f"{name}:{key}:submit" for name, key in MORE_KEYS.items())
    here.settings["API_KEYS"] = f"{here.settings['API_KEYS']},{more}"
    here.settings["RATE_LIMIT"] = "9000/minute"
    here.start("web", n=2)
    here.start("web", n=2, RATE_LIMIT="5/day", MAX_ANNOUNCED="3")
    return here


def strict_client(here: Installation, name: str, n: int = 0) -> Client:
    """A client of one of the two web processes with small quotas."""
    return here.client(MORE_KEYS[name], here.urls[2 + n])


@pytest.fixture
def address() -> str:
    return next(_addresses)


def shown(here: Installation, key: str, address: str, path: str = "/api/jobs") -> requests.Response:
    """Response to a request with a key, forwarded by a trusted proxy for an address."""
    headers = {"x-key": key, FORWARDED: f"203.0.113.9, {address}"}
    return requests.get(here.url + path, headers=headers, timeout=30)


def guess(here: Installation, address: str, times: int = WRONG_KEYS_ALLOWED) -> list[int]:
    """All at once: the quota of wrong keys refills while a slow machine sends them."""
    with ThreadPoolExecutor(times) as pool:
        answers = pool.map(lambda n: shown(here, f"guess-{n}", address), range(times))
    return [answer.status_code for answer in answers]


def stay_blocked(here: Installation, network: str) -> None:
    """The quota of a network that guessed does not refill while a slow machine asks on."""
    with here.redis.client() as redis:
        assert redis.exists(WRONG_KEYS_PREFIX + network)
        seconds, _ = redis.time()
        full_at = int(seconds) + WRONG_KEYS_MAX.seconds + BLOCKED_SECONDS
        redis.set(WRONG_KEYS_PREFIX + network, full_at, ex=600)


def test_requests_are_counted_over_all_processes(two_webs: Installation) -> None:
    webs = itertools.cycle(strict_client(two_webs, "five", n) for n in range(2))
    answers = [next(webs).get("/api/jobs") for _ in range(7)]
    assert [answer.status_code for answer in answers] == [200] * 5 + [429] * 2
    refused = answers[-1]
    assert refused.headers["content-type"] == "application/problem+json"
    assert (refused.json()["status"], refused.json()["title"]) == (429, "Too Many Requests")
    assert 17_000 < int(refused.headers["Retry-After"]) <= 86400 / 5


def test_a_bfl_client_gets_the_429_in_bfls_shape(two_webs: Installation) -> None:
    bfl = strict_client(two_webs, "bfl")
    *answers, refused = [bfl.get("/v1/get_result", id="nobody") for _ in range(6)]
    assert {answer.status_code for answer in answers} == {404}
    assert (refused.status_code, refused.headers["content-type"]) == (429, "application/json")
    assert set(refused.json()) == {"detail", "message"} and refused.json()["message"]
    assert int(refused.headers["Retry-After"]) > 0


def test_a_key_announces_only_so_many_unknown_jobs(two_webs: Installation) -> None:
    few = strict_client(two_webs, "few")
    assert [few.put_job(f"made-up-{n}").status_code for n in range(3)] == [201] * 3
    refused = few.put_job("one-more")
    assert refused.status_code == 429 and int(refused.headers["Retry-After"]) > 0
    assert "MAX_ANNOUNCED" in refused.json()["detail"]
    assert two_webs.client().find("one-more") is None
    assert two_webs.client().callback({"id": "made-up-0", "status": "Pending"}).ok
    assert few.put_job("one-more").status_code == 201


def test_wrong_keys_block_their_address_for_a_while(two_webs: Installation, address: str) -> None:
    assert set(guess(two_webs, address)) == {401}
    more = (shown(two_webs, f"one more {n}", address) for n in range(WRONG_KEYS_ALLOWED))
    refused = next(answer for answer in more if answer.status_code == 429)
    assert 1 <= int(refused.headers["Retry-After"]) <= 60


def test_a_blocked_address_gets_the_same_answer_for_a_right_and_a_wrong_key(
    two_webs: Installation, address: str
) -> None:
    assert set(guess(two_webs, address)) == {401}
    stay_blocked(two_webs, f"{address}/32")
    right, wrong = (shown(two_webs, key, address) for key in (KEYS["admin"], "wrong"))
    assert (right.status_code, right.json()) == (wrong.status_code, wrong.json())
    assert right.status_code == 429 and set(right.headers) == set(wrong.headers)


def test_no_key_does_not_count_as_a_wrong_key(two_webs: Installation, address: str) -> None:
    for _ in range(WRONG_KEYS_ALLOWED + 5):
        assert shown(two_webs, "", address).status_code == 401


def test_callbacks_are_taken_however_many_are_wrong(two_webs: Installation, client: Client) -> None:
    for _ in range(WRONG_KEYS_ALLOWED + 5):
        assert client.callback({"id": "forged", "status": "FAILED"}, "wrong").status_code == 401
    assert client.callback({"id": "true", "status": "FAILED"}).status_code == 200
    assert two_webs.client().job("true")["status"] == "failed"


@pytest.fixture
def client(two_webs: Installation) -> Client:
    return two_webs.client()


def test_forwarded_headers_of_an_untrusted_peer_are_ignored(two_webs: Installation) -> None:
    """Otherwise each guess could come from a new invented address."""
    two_webs.settings["FORWARDED_ALLOW_IPS"] = "10.0.0.0/8"
    two_webs.start("web")
    last = two_webs.urls[-1]
    statuses = [
        requests.get(
            f"{last}/api/jobs", headers={"x-key": "x", FORWARDED: next(_addresses)}, timeout=30
        ).status_code
        for _ in range(2 * WRONG_KEYS_ALLOWED)
    ]
    assert 429 in statuses


@pytest.mark.parametrize(
    "form", ["{0}", "{0}:443", "[::ffff:{0}]", "[::ffff:{0}]:1", "203.0.113.9:5,{0}:6", " {0}:7 "]
)
def test_a_proxy_may_append_the_port(two_webs: Installation, address: str, form: str) -> None:
    guess(two_webs, address)
    stay_blocked(two_webs, f"{address}/32")
    assert shown(two_webs, KEYS["admin"], form.format(address)).status_code == 429


def test_addresses_of_one_ipv6_network_share_a_quota(two_webs: Installation) -> None:
    home = "2001:db8:7:8"
    with ThreadPoolExecutor(WRONG_KEYS_ALLOWED) as pool:
        for n in range(WRONG_KEYS_ALLOWED):
            pool.submit(shown, two_webs, f"guess-{n}", f"[{home}::{n + 1:x}]:{n + 1}")
    stay_blocked(two_webs, f"{home}::/64")
    for form in (f"{home}::ffff", f"[{home}::ffff]", f"[{home}::1]:9"):
        assert shown(two_webs, KEYS["admin"], form).status_code == 429
    assert shown(two_webs, KEYS["admin"], "[2001:db8:7:9::1]:9").status_code == 200


def test_no_key_and_no_guess_is_in_redis_or_in_a_log(two_webs: Installation) -> None:
    guess(two_webs, "2001:db8::1", 1)
    with two_webs.redis.client() as redis:
        names = [name.decode() for name in redis.scan_iter("fluxkeep:*")]
    assert "fluxkeep:wrong_keys:2001:db8::/64" in names
    log_text = json.dumps(names) + two_webs.logs()
    assert not [key for key in (*KEYS.values(), *MORE_KEYS.values(), "guess-0") if key in log_text]
