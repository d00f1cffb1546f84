"""Slack and Discord get one line, in which no foreign text mentions, formats or hides anything."""

from typing import Any

import pytest

from jobs.domain.bfl_report import Failure, Moderation
from jobs.domain.chat_messages import chat_message, is_chat_webhook
from jobs.domain.job import Job
from jobs.domain.status import Status
from tests.harness.reports import NOW, TIMEOUTS

SLACK = "https://hooks.slack.com/services/T0/B0/x"
DISCORD = "https://discord.com/api/webhooks/1/x"
LINK = "https://flux.example/jobs/abc"
HOSTILE = (
    "<!channel> <@U1|bob> & @everyone\n*Job stored* [click](https://evil.example)\u2028\u202e\0`x"
)
LONGEST = "\U0001f600" * 9999
AWAITED = Job.awaited("abc", NOW, TIMEOUTS)


def ended(message: str = "BFL said no", status: Status = Status.FAILED) -> Job:
    return AWAITED.ended(NOW, status).evolve(error=Failure("code", message))


def content(message: Any) -> str:
    return str(message["content"])


@pytest.mark.parametrize(
    "url",
    [
        SLACK,
        "https://hooks.slack-gov.com/services/T0/B0/x",
        "http://hooks.slack.com:8080/services/x",
        DISCORD,
        "https://discordapp.com/api/webhooks/1/x",
        "https://ptb.discord.com/api/v10/webhooks/1/x?wait=true",
    ],
)
def test_a_chat_service_is_known_by_its_host(url: str) -> None:
    assert is_chat_webhook(url)


@pytest.mark.parametrize(
    "url",
    [
        "https://hooks.slack.com.evil.example/services/x",
        "https://xhooks.slack.com/services/x",
        "https://hooksxslack.com/services/x",
        "https://slack.com/api/x",
        "https://evil.example/hooks.slack.com/services/x",
        "https://evil.example/?https://discord.com/api/webhooks/1/x",
        "https://discord.com/developers",
        "https://discord.com.evil.example/api/webhooks/1/x",
        "https://xdiscord.com/api/webhooks/1/x",
    ],
)
def test_everybody_else_gets_standard_webhooks(url: str) -> None:
    assert not is_chat_webhook(url)


def test_the_line_has_prompt_reason_and_link() -> None:
    message = chat_message(SLACK, ended(), "a cat", LINK)
    assert message["text"] == f"Job failed · a cat · BFL said no · <{LINK}>"
    assert set(message) == {"text", "link_names", "unfurl_links"}
    assert not message["link_names"] and not message["unfurl_links"]
    message = chat_message(DISCORD, ended(), "a cat", LINK)
    assert message == {
        "content": f"Job failed · a cat · BFL said no · <{LINK}>",
        "allowed_mentions": {"parse": []},
    }


def test_a_stored_job_has_no_reason_and_a_moderated_one_its_stage() -> None:
    line = content(chat_message(DISCORD, ended("half", Status.STORED), "", LINK))
    assert line == f"Job stored · <{LINK}>"
    moderated = AWAITED.ended(NOW, Status.MODERATED).evolve(
        moderation=Moderation("content", ("Violence", "Gore"))
    )
    line = content(chat_message(DISCORD, moderated, "", LINK))
    assert line == rf"Job moderated · content\: Violence, Gore · <{LINK}>"


def test_no_foreign_text_is_more_than_text_at_slack() -> None:
    line = chat_message(SLACK, ended(HOSTILE), HOSTILE, LINK)["text"]
    assert line.isprintable()
    assert line.count("<") == line.count(">") == 1 and line.endswith(f"<{LINK}>")
    assert line.count("&lt;!channel&gt; &lt;@U1|bob&gt; &amp; @everyone *Job stored*") == 2


def test_no_foreign_text_is_more_than_text_at_discord() -> None:
    message = chat_message(DISCORD, ended(HOSTILE), HOSTILE, LINK)
    assert message["allowed_mentions"] == {"parse": []} and content(message).isprintable()
    foreign = content(message).removesuffix(f" · <{LINK}>")
    for sign in "*_~`|<>[]()#:@-":
        assert foreign.count(sign) == foreign.count(f"\\{sign}")


@pytest.mark.parametrize("text", [LONGEST, "&" * 9999, "*" * 9999, "<" * 200])
def test_the_longest_line_is_within_the_limits(text: str) -> None:
    def length(line: str) -> int:
        return len(line.encode("utf-16-le")) // 2

    assert length(content(chat_message(DISCORD, ended(text), text, LINK))) < 1000
    assert length(chat_message(SLACK, ended(text), text, LINK)["text"]) < 3000
