"""Slack and Discord get one line, in which no foreign text mentions, formats or hides anything."""

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


@pytest.mark.parametrize(
    ("url", "is_chat"),
    [
        (SLACK, True),
        ("https://hooks.slack-gov.com/services/T0/B0/x", True),
        ("http://hooks.slack.com:8080/services/x", True),
        (DISCORD, True),
        ("https://discordapp.com/api/webhooks/1/x", True),
        ("https://ptb.discord.com/api/v10/webhooks/1/x?wait=true", True),
        ("https://hooks.slack.com.evil.example/services/x", False),
        ("https://xhooks.slack.com/services/x", False),
        ("https://hooksxslack.com/services/x", False),
        ("https://slack.com/api/x", False),
        ("https://evil.example/hooks.slack.com/services/x", False),
        ("https://evil.example/?https://discord.com/api/webhooks/1/x", False),
        ("https://discord.com/developers", False),
        ("https://discord.com.evil.example/api/webhooks/1/x", False),
        ("https://xdiscord.com/api/webhooks/1/x", False),
    ],
)
def test_a_chat_service_is_known_by_its_host(url: str, *, is_chat: bool) -> None:
    assert is_chat_webhook(url) is is_chat


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
    stored = chat_message(DISCORD, ended("half", Status.STORED), "", LINK)
    assert stored["content"] == f"Job stored · <{LINK}>", "there is no reason"
    moderated = AWAITED.ended(NOW, Status.MODERATED).evolve(
        moderation=Moderation("content", ("Violence", "Gore"))
    )
    line = chat_message(DISCORD, moderated, "", LINK)["content"]
    assert line == rf"Job moderated · content\: Violence, Gore · <{LINK}>"


def test_no_foreign_text_is_more_than_text() -> None:
    line = chat_message(SLACK, ended(HOSTILE), HOSTILE, LINK)["text"]
    assert line.isprintable()
    assert line.count("<") == line.count(">") == 1 and line.endswith(f"<{LINK}>")
    assert line.count("&lt;!channel&gt; &lt;@U1|bob&gt; &amp; @everyone *Job stored*") == 2
    message = chat_message(DISCORD, ended(HOSTILE), HOSTILE, LINK)
    assert message["allowed_mentions"] == {"parse": []} and message["content"].isprintable()
    foreign = message["content"].removesuffix(f" · <{LINK}>")
    for sign in "*_~`|<>[]()#:@-":
        assert foreign.count(sign) == foreign.count(f"\\{sign}")


@pytest.mark.parametrize("text", [LONGEST, "&" * 9999, "*" * 9999, "<" * 200])
def test_the_longest_line_is_within_the_limits(text: str) -> None:
    for url, name, most in ((DISCORD, "content", 1000), (SLACK, "text", 3000)):
        line = chat_message(url, ended(text), text, LINK)[name]
        assert len(line.encode("utf-16-le")) // 2 < most
