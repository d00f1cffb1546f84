"""Warnings of budgets that are nearly used up: in the log and to NOTIFY_URL, once a period."""

import hashlib
import json
import logging

from jobs.config.values import BUDGET, NotifyUrl
from jobs.domain.chat_messages import chat_warning, is_chat_webhook
from jobs.domain.errors import UrlRefused
from jobs.domain.timestamps import rfc3339
from jobs.services import Services
from jobs.store.budgets import BudgetView
from worker.notifications import delivery

LEVELS = (100, 80)  # percent
CHECK_SECONDS = 5.0

log = logging.getLogger(__name__)


def check(services: Services) -> float:
    """Give the warnings that are due; return the seconds until the next check."""
    for key in services.budgets.by_key:
        for view in services.budgets.views(key):
            used = services.budgets.used_percent(key, view)
            if level := next((level for level in LEVELS if used >= level), None):
                _warn(services, key, view, level)
    return CHECK_SECONDS


def _warn(services: Services, key: str, view: BudgetView, level: int) -> None:
    used = f"{view['spent'] + view['reserved']:.12g} of {view['limit']:.12g} credits"
    what = "leaves no room for a job" if level == LEVELS[0] else f"is used to {level} %"
    line = f"the budget of {key} {what}: {used} a {view['period']}, until {view['resets_at']}"
    if services.budgets.may_warn(key, view, f"warned {level}"):
        log.warning("%s", line)
        services.budgets.end_warning(key, view, f"warned {level}")
    for url in services.settings.notify_url:
        warning = f"warned {level} {url.digest}"
        if BUDGET not in url.events or not services.budgets.may_warn(key, view, warning):
            continue
        if problem := _notify(services, url, key, view, level, line):
            log.warning("NOTIFY_URL %s: %s; it is told again", url.digest, problem)
        else:
            services.budgets.end_warning(key, view, warning)


def _notify(
    services: Services, url: NotifyUrl, key: str, view: BudgetView, level: int, line: str
) -> str:
    """Why a receiver was not told; empty when it was."""
    try:
        endpoint = services.host_policy.operator_endpoint(url.digest)
    except UrlRefused as error:
        return str(error)
    if is_chat_webhook(str(endpoint.url)):
        body = json.dumps(chat_warning(str(endpoint.url), line))
        return delivery.post(endpoint, delivery.JSON, body.encode()).problem
    now, data = services.store.now(), {"key": key, "used_percent": level, **view}
    body = json.dumps({"type": "budget.used", "timestamp": rfc3339(now), "data": data})
    named = f"fluxkeep budget 1\0{url.digest}\0{key}\0{view['period']}\0{view['limit']}"
    named += f"\0{view['resets_at']}\0{level}"
    message_id = f"msg_{hashlib.sha256(named.encode()).hexdigest()[:32]}"
    signature = services.notification_signer.headers(message_id, now, body)
    return delivery.post(endpoint, delivery.JSON | signature, body.encode()).problem
