"""Warnings of budgets that are nearly used up: in the log and to NOTIFY_URL, once a period."""

import hashlib
import json
import logging
from dataclasses import dataclass

from jobs.budget_views import budget_view
from jobs.config.values import BUDGET, NotifyUrl
from jobs.domain.budgets import UNITS_PER_CREDIT, Balance
from jobs.domain.chat_messages import chat_warning, is_chat_webhook
from jobs.domain.errors import UrlRefused
from jobs.domain.timestamps import rfc3339
from jobs.services import Services
from worker.notifications import delivery

LEVELS_PERCENT = (100, 80)
CHECK_SECONDS = 5.0

log = logging.getLogger(__name__)


def check(services: Services) -> float:
    """Give the warnings that are due; return the seconds until the next check."""
    for key in services.budgets.by_key:
        for balance in services.budgets.balances(key):
            used_percent = _used_percent(services, key, balance)
            for level in LEVELS_PERCENT:
                if used_percent >= level:
                    _warn(services, _Warning(key, balance, level))
                    break
    return CHECK_SECONDS


def _used_percent(services: Services, key: str, balance: Balance) -> float:
    if services.budgets.has_refused(key, balance):
        return 100.0
    if services.budgets.held_since(key) is not None:
        # A job of unknown price holds all that is left for a moment, and will not cost that much.
        return balance.spent_percent
    return balance.used_percent


@dataclass(frozen=True)
class _Warning:
    """A warning that `level` percent of a budget are used."""

    key: str
    balance: Balance
    level: int

    @property
    def line(self) -> str:
        budget = self.balance.budget
        used_credits = (self.balance.spent + self.balance.reserved) / UNITS_PER_CREDIT
        state = f"is used to {self.level} %"
        if self.level == LEVELS_PERCENT[0]:
            state = "leaves no room for a job"
        return (
            f"the budget of {self.key} {state}: {used_credits:.12g} of {budget.limit:.12g} credits "
            f"a {budget.period}, until {rfc3339(self.balance.resets_at)}"
        )

    @property
    def name(self) -> str:
        return f"warned {self.level}"

    def message_id(self, url: NotifyUrl) -> str:
        """The id of the message; all attempts at one receiver have it."""
        budget = self.balance.budget
        parts = ["fluxkeep budget 1", url.digest, self.key, str(budget.period), str(budget.limit)]
        parts += [rfc3339(self.balance.resets_at), str(self.level)]
        digest = hashlib.sha256("\0".join(parts).encode()).hexdigest()
        return f"msg_{digest[:32]}"


def _warn(services: Services, warning: _Warning) -> None:
    budgets = services.budgets
    budget = warning.balance.budget
    if budgets.may_warn(warning.key, budget, warning.name):
        log.warning("%s", warning.line)
        budgets.end_warning(warning.key, budget, warning.name)
    for url in services.settings.notify_url:
        if BUDGET not in url.events:
            continue
        name_of_url = f"{warning.name} {url.digest}"
        if not budgets.may_warn(warning.key, budget, name_of_url):
            continue
        problem = _notify(services, url, warning)
        if problem:
            log.warning("NOTIFY_URL %s: %s; it is told again", url.digest, problem)
        else:
            budgets.end_warning(warning.key, budget, name_of_url)


def _notify(services: Services, url: NotifyUrl, warning: _Warning) -> str:
    """Why a receiver was not told; empty when it was."""
    try:
        endpoint = services.host_policy.operator_endpoint(url.digest)
    except UrlRefused as error:
        return str(error)
    if is_chat_webhook(str(endpoint.url)):
        chat_body = json.dumps(chat_warning(str(endpoint.url), warning.line))
        return delivery.post(endpoint, delivery.JSON, chat_body.encode()).problem
    now = services.store.now()
    payload = {
        "type": "budget.used",
        "timestamp": rfc3339(now),
        "data": {
            "key": warning.key,
            "used_percent": warning.level,
            **budget_view(warning.balance),
        },
    }
    body = json.dumps(payload)
    signature = services.notification_signer.headers(warning.message_id(url), now, body)
    return delivery.post(endpoint, delivery.JSON | signature, body.encode()).problem
