"""Refusals that concern the BFL account and not one job, and their reasons in words."""

from http import HTTPStatus

from jobs.bfl.error_messages import error_message
from jobs.bfl.submissions import object_or_empty

KEY_REFUSED = "BFL refuses the API key"
# Refusals that may concern the account and not this job.
ACCOUNT_REASONS: dict[int, str] = {
    HTTPStatus.PAYMENT_REQUIRED: "BFL says that the credits are used up",
    HTTPStatus.UNAUTHORIZED: KEY_REFUSED,
    HTTPStatus.FORBIDDEN: KEY_REFUSED,
}
DASHBOARD = "https://dashboard.bfl.ai"
GET_STARTED = f"{DASHBOARD}/get-started"  # where somebody without a key gets one
# Recorded in 2026: 402 right after a video although 1,013 credits were left.
VIDEO_WAITS = "BFL has no room for another video until one has settled"
# A key belongs to a project with limits and permissions of its own.
PROJECT_REASON = (
    f"your BFL project's spending limit, or the key's permission, refuses it (see {DASHBOARD})"
)
VIDEO_OR_PROJECT = f"{VIDEO_WAITS}, or {PROJECT_REASON}"


def explain_account_refusal(
    status: int, answer: bytes, *, has_credits: bool, is_video: bool = False
) -> str:
    """Explain a refusal of the account.

    `has_credits` says that BFL accepts the key and names ample credits for it. A status that is not
    in ACCOUNT_REASONS is a 400 or 422 about the key.
    """
    reason = ACCOUNT_REASONS.get(status, KEY_REFUSED)
    if has_credits and status == HTTPStatus.PAYMENT_REQUIRED and is_video:
        reason = VIDEO_OR_PROJECT
    elif has_credits and status in (HTTPStatus.PAYMENT_REQUIRED, HTTPStatus.FORBIDDEN):
        reason = PROJECT_REASON
    return _with_words_of_bfl(reason, answer)


def is_about_account(reason: str) -> bool:
    """Whether `explain_account_refusal` gave this reason."""
    return reason.startswith((PROJECT_REASON, VIDEO_OR_PROJECT, *ACCOUNT_REASONS.values()))


def is_video_waiting(reason: str) -> bool:
    """Whether a video waits until another video has settled: the account is in order."""
    if reason.startswith(VIDEO_OR_PROJECT):  # begins with VIDEO_WAITS, too
        return False
    return reason.startswith(VIDEO_WAITS)


def explain_waiting_video(answer: bytes) -> str:
    return _with_words_of_bfl(VIDEO_WAITS, answer)


def _with_words_of_bfl(reason: str, answer: bytes) -> str:
    message = error_message(object_or_empty(answer))
    if not message:
        return reason
    return f"{reason}: {message}"
