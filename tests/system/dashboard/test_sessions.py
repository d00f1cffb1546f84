"""Login, sessions and logout: who may come in, for how long, and what a forged form can do."""

import time
from urllib.parse import quote

import pytest
from flask import Flask
from flask.sessions import SecureCookieSessionInterface
from itsdangerous import URLSafeTimedSerializer

from jobs.store.rate_limiter import WRONG_KEYS_MAX
from receiver.dashboard import session
from tests.system.dashboard.conftest import Open
from tests.system.dashboard.guest import KEYS, Guest

AWAY = (
    "//evil.example",
    "/\\evil.example",
    "https://evil.example",
    "/\tevil",
    "javascript:alert(1)",
)


def test_who_has_no_session_logs_in_and_comes_back(guest: Guest) -> None:
    asked = guest.see("/?status=stored&metadata.user=42")
    assert asked.status_code == 303
    login = asked.headers["Location"]
    assert login.startswith("/login?next=/?status%3Dstored")
    wanted = "/?status=stored&metadata.user=42"
    assert guest.enter("read", next=wanted).headers["Location"] == wanted
    assert guest.see(wanted).status_code == 200


@pytest.mark.parametrize("wanted", AWAY)
def test_a_login_leads_nowhere_else(guest: Guest, wanted: str) -> None:
    assert guest.enter("read", next=wanted).headers["Location"] == "/"
    assert guest.see(f"/login?next={quote(wanted)}").headers["Location"] == "/"


@pytest.mark.parametrize("key", ["nobody's key", "", KEYS["read"][:-1], "k\u00ff\u20ac"])
def test_a_wrong_key_opens_nothing(guest: Guest, key: str) -> None:
    answer = guest.client.post("/login", data={"forgery": guest.token(), "key": key})
    assert answer.status_code == 401
    assert "Nobody holds this key" in answer.text
    assert guest.see("/").status_code == 303


def test_who_guesses_is_soon_let_guess_no_more(house: Open) -> None:
    guest = Guest(house())
    guest.client.environ_base["REMOTE_ADDR"] = "192.0.2.9"
    guesses = (guest.enter(f"guess {n}") for n in range(4 * WRONG_KEYS_MAX.requests))
    refused = next(answer for answer in guesses if answer.status_code != 401)
    assert refused.status_code == 429 and int(refused.headers["Retry-After"]) > 0
    assert "come again later" in refused.text
    assert guest.enter("read").status_code == 429


def test_the_cookie_holds_no_key_and_no_script_reads_it(guest: Guest) -> None:
    said = guest.enter("admin").headers["Set-Cookie"]
    assert "HttpOnly" in said and "SameSite=Lax" in said and "Secure" not in said
    payload = URLSafeTimedSerializer("any").loads_unsafe(guest.cookie)[1]
    assert KEYS["admin"] not in str(payload) and KEYS["admin"] not in guest.cookie


def test_over_https_the_cookie_stays_there(house: Open) -> None:
    guest = Guest(house(PUBLIC_URL="https://keep.example"))
    assert "Secure" in guest.see("/login").headers["Set-Cookie"]


def test_a_login_begins_a_new_session(guest: Guest) -> None:
    before = guest.token()
    guest.enter("read")
    assert guest.token() != before


def test_a_key_that_is_dropped_ends_its_sessions(guest: Guest, house: Open) -> None:
    guest.enter("admin")
    assert guest.see("/").status_code == 200
    later = guest.move_to(house(API_KEYS=f"reader:{KEYS['read']}:read"))
    assert later.see("/").status_code == 303


def test_a_key_with_another_scope_has_to_log_in_again(guest: Guest, house: Open) -> None:
    guest.enter("admin")
    assert guest.move_to(house(API_KEYS=f"a:{KEYS['admin']}:read")).see("/").status_code == 303


def test_a_new_secret_key_keeps_sessions_and_a_dropped_one_ends_them(
    guest: Guest, house: Open
) -> None:
    guest.enter("read")
    rotated = house(SECRET_KEY="new-signing-canary,signing-secret-canary-1f")
    assert guest.move_to(rotated).see("/").status_code == 200
    assert guest.move_to(house(SECRET_KEY="new-signing-canary")).see("/").status_code == 303


def test_a_session_is_over_after_hours_without_a_look(house: Open) -> None:
    app = house()
    guest = Guest(app)
    guest.enter("read")
    guest.client.set_cookie("fluxkeep-session", _of_another_time(app, guest, -60))
    assert guest.see("/").status_code == 200
    guest.client.set_cookie(
        "fluxkeep-session", _of_another_time(app, guest, -session.LIFE_SECONDS - 60)
    )
    assert guest.see("/").status_code == 303


def _of_another_time(app: Flask, guest: Guest, seconds: float) -> str:
    """The same cookie as if it had been signed so many seconds from now."""
    interface = app.session_interface
    assert isinstance(interface, SecureCookieSessionInterface)
    serializer = interface.get_signing_serializer(app)
    assert serializer
    signer = serializer.make_signer(serializer.salt)
    signer.get_timestamp = lambda: int(time.time() + seconds)  # type: ignore[attr-defined]
    payload = serializer.dump_payload(serializer.loads(guest.cookie))
    return signer.sign(payload).decode()


def test_a_look_renews_the_session_now_and_then_and_the_api_never_does(house: Open) -> None:
    guest = Guest(house())
    guest.enter("read")
    assert "Set-Cookie" not in guest.see("/").headers
    with guest.client.session_transaction() as kept:
        kept["seen"] = int(time.time()) - session.RENEWED_AFTER_SECONDS - 1
    assert "Set-Cookie" not in guest.see("/healthz").headers
    assert "Set-Cookie" in guest.see("/").headers


def test_a_session_ends_seven_days_after_its_login_however_often_it_is_used(house: Open) -> None:
    guest = Guest(house())
    guest.enter("read")
    with guest.client.session_transaction() as kept:
        kept["since"] = int(time.time()) - 7 * 86400 + 60
    assert guest.see("/").status_code == 200
    with guest.client.session_transaction() as kept:
        kept["since"] = int(time.time()) - 7 * 86400 - 1
    assert guest.see("/").status_code == 303


def test_over_https_the_cookie_is_bound_to_this_host_and_browsers_stay_with_https(
    house: Open,
) -> None:
    guest = Guest(house(PUBLIC_URL="https://keep.example"))
    page = guest.see("/login")
    cookie = page.headers["Set-Cookie"]
    assert cookie.startswith("__Host-fluxkeep-session=")
    assert "Secure" in cookie and "Path=/" in cookie and "Domain" not in cookie
    for answer in (page, guest.see("/healthz"), guest.see("/api/jobs"), guest.see("/nothing")):
        assert answer.headers["Strict-Transport-Security"].startswith("max-age=31536000")


@pytest.mark.parametrize("url", ["", "http://keep.example"])
def test_without_https_there_is_neither(house: Open, url: str) -> None:
    page = Guest(house(PUBLIC_URL=url)).see("/login")
    assert page.headers["Set-Cookie"].startswith("fluxkeep-session=")
    assert "Strict-Transport-Security" not in page.headers


def test_logout_is_a_form_and_ends_the_session(guest: Guest) -> None:
    guest.enter("read")
    guest.see("/logout")
    assert guest.see("/").status_code == 200
    assert guest.client.post("/logout").status_code == 403
    guest.send("/logout")
    assert guest.see("/").status_code == 303


@pytest.mark.parametrize("path", ["/logout", "/theme", "/jobs/any/delete", "/jobs/any/replay"])
def test_a_form_without_our_token_changes_nothing(guest: Guest, path: str) -> None:
    guest.enter("admin")
    assert guest.client.post(path).status_code == 403
    assert guest.send(path, forgery="x" * 32).status_code == 403


def test_a_form_from_another_site_changes_nothing(guest: Guest) -> None:
    guest.enter("admin")
    token = {"forgery": guest.token()}
    for site in ("cross-site", "same-site"):
        answer = guest.client.post("/logout", data=token, headers={"Sec-Fetch-Site": site})
        assert answer.status_code == 403
    assert guest.see("/").status_code == 200


def test_an_old_login_form_is_shown_again(guest: Guest) -> None:
    answer = guest.client.post("/login", data={"key": KEYS["read"], "next": "/?view=list"})
    assert answer.status_code == 403
    assert "Try again" in answer.text and 'value="/?view=list"' in answer.text


@pytest.mark.parametrize("path", ["/jobs/any/delete", "/jobs/any/replay"])
@pytest.mark.parametrize("scope", ["read", "submit"])
def test_changes_are_for_admins(guest: Guest, scope: str, path: str) -> None:
    guest.enter(scope)
    for answer in (guest.see(path), guest.send(path)):
        assert answer.status_code == 403
        assert "this needs a key with scope admin" in answer.text


def test_a_change_without_a_session_leads_to_the_login_and_its_page(guest: Guest) -> None:
    answer = guest.client.post("/jobs/any/delete", data={"forgery": "old"})
    assert answer.headers["Location"] == "/login?next=/jobs/any/delete"


def test_every_page_forbids_what_is_not_ours(guest: Guest) -> None:
    pages = [guest.see("/login"), guest.see("/"), guest.see("/jobs/x"), guest.see("/live")]
    guest.enter("read")
    for page in [*pages, guest.see("/"), guest.see("/jobs/unknown"), guest.see("/?status=x")]:
        policy = page.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy and "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert page.headers["X-Content-Type-Options"] == "nosniff"
        assert page.headers["Referrer-Policy"] == "same-origin"
        assert page.headers["Cache-Control"] == "private, no-store"


def test_a_session_opens_the_pages_and_not_the_api(guest: Guest) -> None:
    guest.enter("admin")
    assert guest.see("/api/jobs").status_code == 401
    assert guest.see("/api/events").status_code == 401


def test_assets_are_kept_for_ever_under_their_own_address(guest: Guest) -> None:
    page = guest.see("/login").text
    address = page.split('rel="stylesheet" href="')[1].split('"')[0]
    with guest.see(address) as kept:
        assert "immutable" in kept.headers["Cache-Control"] and "Set-Cookie" not in kept.headers
    with guest.see("/assets/of-another-version/base.css") as other:
        assert other.headers["Cache-Control"] == "no-store"
    assert guest.see("/assets/x/../session.py").status_code == 404
