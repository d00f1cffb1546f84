"""Names of the headers and fields of a callback, for `doctor --try-bfl`."""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any

from jobs.bfl import parsing
from jobs.domain.errors import InvalidReport, StoreUnavailable
from jobs.net import lenient_json
from jobs.services import Services
from jobs.signing import Scheme

NAMES_MAX = 30
NAME_MAX_CHARS = 64


def observe(
    services: Services,
    job_id: str,
    proof_headers: Iterable[str],
    scheme: Scheme | None,
    body: bytes,
) -> None:
    """Store the names of the headers and fields in a callback.

    `scheme` is None for a refused callback: its body is not parsed. `proof_headers` are the names
    of the headers that look like a signature or a secret.
    """
    observed: dict[str, Any] = {"headers": list(proof_headers), "scheme": scheme}
    if scheme is not None:
        observed |= _describe_body(body)
    with suppress(StoreUnavailable):
        services.callback_trials.record(job_id, observed)


def _describe_body(body: bytes) -> dict[str, Any]:
    """The status, the names of the fields, and the hosts of the URLs in an authentic body."""
    try:
        message = lenient_json.load_object(body, InvalidReport)
        report = parsing.parse_callback(body)
    except InvalidReport as error:
        return {"problem": str(error)}
    result = message.get("result")
    names_of_result: list[str] = []
    if isinstance(result, dict):
        names_of_result = _names(result)
    hosts = set()
    for url in report.urls:
        scheme_and_host = url.split("/")[:3]  # "https:", "", host
        hosts.add(scheme_and_host[2])
    return {
        "status": report.status_text,
        "is_final": parsing.is_final(message),
        "fields": _names(message),
        "fields_of_result": names_of_result,
        "names_cost": report.cost is not None,
        "hosts": sorted(hosts),
    }


def _names(fields: Mapping[str, Any]) -> list[str]:
    names = list(fields)[:NAMES_MAX]
    return [name[:NAME_MAX_CHARS] for name in names]
