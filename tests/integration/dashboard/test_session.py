"""Login, sessions and logout: who may come in, for how long, and what a forged form can do."""

import time
from urllib.parse import quote

import pytest
from flask import Flask
from flask.sessions import SecureCookieSessionInterface
from itsdangerous import URLSafeTimedSerializer

from jobs.store.rate_limiter import WRONG_KEYS_MAX
from jobs.store.redis.keys import ENDED_SESSION_PREFIX
from receiver.dashboard import session
from tests.harness import RedisServer
from tests.harness.in_process_dashboard import KEYS, InProcessVisitor, MakeApp


def test_a_login_returns_to_the_page(visitor: InProcessVisitor) -> None:
    asked = visitor.get("/?status=stored&metadata.user=42")
    assert asked.status_code == 303
    login = asked.headers["Location"]
    assert login.startswith("/login?next=/?status%3Dstored")
    wanted = "/?status=stored&metadata.user=42"
    assert visitor.log_in("read", next=wanted).headers["Location"] == wanted
    assert visitor.get(wanted).status_code == 200


def test_a_login_leads_back_to_each_path_that_a_form_posts_to(make_app: MakeApp) -> None:
    rules = [one for one in make_app().url_map.iter_rules() if "dashboard." in one.endpoint]
    posted, shown = (
        {one.rule for one in rules if method in (one.methods or ())} for method in ("POST", "GET")
    )
    assert posted and posted <= shown


@pytest.mark.parametrize(
    "wanted", ["//evil.example", "/\\evil.example", "https://evil.example", "/\tevil", "data:,x"]
)
def test_a_login_leads_nowhere_else(visitor: InProcessVisitor, wanted: str) -> None:
    assert visitor.log_in("read", next=wanted).headers["Location"] == "/"
    assert visitor.get(f"/login?next={quote(wanted)}").headers["Location"] == "/"


@pytest.mark.parametrize("key", ["nobody's key", "", KEYS["read"][:-1], "k\u00ff\u20ac"])
def test_a_wrong_key_opens_nothing(visitor: InProcessVisitor, key: str) -> None:
    answer = visitor.client.post("/login", data={"csrf_token": visitor.csrf_token(), "key": key})
    assert answer.status_code == 401
    assert "This key is not valid" in answer.text
    assert visitor.get("/").status_code == 303


def test_logins_with_wrong_keys_are_rate_limited(visitor: InProcessVisitor) -> None:
    visitor.client.environ_base["REMOTE_ADDR"] = "192.0.2.9"
    guesses = (visitor.log_in(f"guess {n}") for n in range(4 * WRONG_KEYS_MAX.requests))
    refused = next(answer for answer in guesses if answer.status_code != 401)
    assert refused.status_code == 429 and int(refused.headers["Retry-After"]) > 0
    assert "come again later" in refused.text


def test_the_cookie_holds_no_key_and_no_script_reads_it(visitor: InProcessVisitor) -> None:
    set_cookie = visitor.log_in("admin").headers["Set-Cookie"]
    assert "HttpOnly" in set_cookie and "SameSite=Lax" in set_cookie and "Secure" not in set_cookie
    payload = URLSafeTimedSerializer("any").loads_unsafe(visitor.cookie)[1]
    assert KEYS["admin"] not in str(payload) and KEYS["admin"] not in visitor.cookie


@pytest.mark.parametrize(
    ("changed", "status"),
    [
        ({"API_KEYS": f"other:{KEYS['read']}:read"}, 303),
        ({"API_KEYS": f"admin:{KEYS['admin']}:read"}, 303),
        ({"SECRET_KEY": "new-signing-canary,signing-secret-canary-1f"}, 200),
        ({"SECRET_KEY": "new-signing-canary"}, 303),
    ],
    ids=["key dropped", "another scope", "secret rotated", "secret dropped"],
)
def test_a_session_ends_with_its_key_and_with_the_secret_that_signed_it(
    visitor: InProcessVisitor, make_app: MakeApp, changed: dict[str, str], status: int
) -> None:
    visitor.log_in("admin")
    assert visitor.get("/").status_code == 200
    assert visitor.with_cookie_at(make_app(**changed)).get("/").status_code == status


@pytest.mark.parametrize(("seconds", "status"), [(60, 200), (session.IDLE_SECONDS + 60, 303)])
def test_an_idle_session_expires(make_app: MakeApp, seconds: float, status: int) -> None:
    app = make_app()
    visitor = InProcessVisitor(app)
    visitor.log_in("read")
    visitor.client.set_cookie("fluxkeep-session", _of_another_time(app, visitor, -seconds))
    assert visitor.get("/").status_code == status


def _of_another_time(app: Flask, visitor: InProcessVisitor, seconds: float) -> str:
    """The same cookie as if it had been signed so many seconds from now."""
    interface = app.session_interface
    assert isinstance(interface, SecureCookieSessionInterface)
    serializer = interface.get_signing_serializer(app)
    assert serializer
    signer = serializer.make_signer(serializer.salt)
    signer.get_timestamp = lambda: int(time.time() + seconds)  # type: ignore[attr-defined]
    payload = serializer.dump_payload(serializer.loads(visitor.cookie))
    return signer.sign(payload).decode()


def test_a_page_renews_the_session_and_the_api_does_not(visitor: InProcessVisitor) -> None:
    visitor.log_in("read")
    assert "Set-Cookie" not in visitor.get("/").headers
    with visitor.client.session_transaction() as kept:
        kept["seen"] = int(time.time()) - session.RENEWED_AFTER_SECONDS - 1
    assert "Set-Cookie" not in visitor.get("/healthz").headers
    assert "Set-Cookie" in visitor.get("/").headers


@pytest.mark.parametrize(("age", "status"), [(-60, 200), (1, 303)])
def test_a_session_ends_seven_days_after_its_login_however_often_it_is_used(
    visitor: InProcessVisitor, age: int, status: int
) -> None:
    visitor.log_in("read")
    with visitor.client.session_transaction() as kept:
        kept["since"] = int(time.time()) - 7 * 86400 - age
    assert visitor.get("/").status_code == status


def test_over_https_the_cookie_is_bound_to_this_host(make_app: MakeApp) -> None:
    visitor = InProcessVisitor(make_app(PUBLIC_URL="https://keep.example"))
    page = visitor.get("/login")
    cookie = page.headers["Set-Cookie"]
    assert cookie.startswith("__Host-fluxkeep-session=")
    assert "Secure" in cookie and "Path=/" in cookie and "Domain" not in cookie
    for path in ("/login", "/healthz", "/api/jobs", "/nothing"):
        header = visitor.get(path).headers["Strict-Transport-Security"]
        assert header.startswith("max-age=31536000")


def test_logout_is_a_form_and_ends_the_session(visitor: InProcessVisitor) -> None:
    visitor.log_in("read")
    visitor.get("/logout")
    assert visitor.get("/").status_code == 200
    assert visitor.client.post("/logout").status_code == 403
    visitor.post("/logout")
    assert visitor.get("/").status_code == 303


def test_a_logout_ends_a_copied_cookie(visitor: InProcessVisitor, make_app: MakeApp) -> None:
    visitor.log_in("admin")
    copy = visitor.with_cookie_at(make_app())  # another process
    other = InProcessVisitor(make_app())
    other.log_in("admin")
    assert copy.get("/").status_code == 200
    visitor.post("/logout")
    assert copy.get("/").status_code == 303
    assert copy.get("/live").status_code == 401
    assert other.get("/").status_code == 200


def test_a_session_that_was_ended_is_remembered_for_as_long_as_its_cookie_could_live(
    visitor: InProcessVisitor, module_redis: RedisServer
) -> None:
    visitor.log_in("read")
    with visitor.client.session_transaction() as kept:
        session_id, begins_at = kept["id"], kept["since"]
    visitor.post("/logout")
    with module_redis.client() as redis:
        forgotten_at = time.time() + redis.ttl(f"{ENDED_SESSION_PREFIX}{session_id}")
    assert forgotten_at >= begins_at + session.LIFE_MAX_SECONDS - 1  # Redis tells whole seconds


def test_a_login_ends_the_session_before_it(visitor: InProcessVisitor, make_app: MakeApp) -> None:
    visitor.log_in("read")
    copy = visitor.with_cookie_at(make_app())
    visitor.client.post("/login", data={"csrf_token": visitor.csrf_token(), "key": KEYS["admin"]})
    assert visitor.get("/").status_code == 200
    assert copy.get("/").status_code == 303


def test_a_session_without_an_id_is_refused(visitor: InProcessVisitor) -> None:
    visitor.log_in("read")
    with visitor.client.session_transaction() as cookie:
        del cookie["id"]
    assert visitor.get("/").status_code == 303


def test_a_failed_logout_keeps_the_session(
    visitor: InProcessVisitor, module_redis: RedisServer
) -> None:
    visitor.log_in("read")
    token = visitor.csrf_token()
    module_redis.kill()
    try:
        assert visitor.post("/logout", csrf_token=token).status_code == 503
    finally:
        module_redis.start()
    assert visitor.get("/").status_code == 200


@pytest.mark.parametrize("path", ["/logout", "/submit", "/jobs/any/delete", "/start/test"])
def test_a_form_without_our_token_changes_nothing(visitor: InProcessVisitor, path: str) -> None:
    visitor.log_in("admin")
    assert visitor.client.post(path).status_code == 403
    assert visitor.post(path, csrf_token="x" * 32).status_code == 403


def test_a_form_from_another_site_changes_nothing(visitor: InProcessVisitor) -> None:
    visitor.log_in("admin")
    token = {"csrf_token": visitor.csrf_token()}
    for site in ("cross-site", "same-site"):
        answer = visitor.client.post("/logout", data=token, headers={"Sec-Fetch-Site": site})
        assert answer.status_code == 403
    assert visitor.get("/").status_code == 200


@pytest.mark.parametrize("path", ["/jobs/any/delete", "/jobs/any/replay"])
@pytest.mark.parametrize("scope", ["read", "submit"])
def test_changes_are_for_admins(visitor: InProcessVisitor, scope: str, path: str) -> None:
    visitor.log_in(scope)
    for answer in (visitor.get(path), visitor.post(path)):
        assert answer.status_code == 403
        assert "This needs a key with scope admin" in answer.text


def test_every_page_forbids_what_is_not_ours(visitor: InProcessVisitor) -> None:
    pages = [visitor.get("/login"), visitor.get("/"), visitor.get("/jobs/x"), visitor.get("/live")]
    visitor.log_in("read")
    for page in [*pages, visitor.get("/"), visitor.get("/jobs/unknown"), visitor.get("/?status=x")]:
        policy = page.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy and "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert page.headers["X-Content-Type-Options"] == "nosniff"
        assert page.headers["Referrer-Policy"] == "same-origin"
        assert page.headers["Cache-Control"] == "private, no-store"


def test_a_session_opens_the_pages_and_not_the_api(visitor: InProcessVisitor) -> None:
    visitor.log_in("admin")
    assert visitor.get("/api/jobs").status_code == 401
    assert visitor.get("/api/events").status_code == 401


def test_assets_are_kept_for_ever_under_their_own_address(visitor: InProcessVisitor) -> None:
    page = visitor.get("/login").text
    address = page.split('rel="stylesheet" href="')[1].split('"')[0]
    with visitor.get(address) as kept:
        assert "immutable" in kept.headers["Cache-Control"] and "Set-Cookie" not in kept.headers
    with visitor.get("/assets/of-another-version/base.css") as other:
        assert other.headers["Cache-Control"] == "no-store"
    assert visitor.get("/assets/x/../session.py").status_code == 404
