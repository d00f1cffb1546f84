"""Check of outgoing connections: the hosts that a firewall must allow, one tried of each kind."""

from collections.abc import Iterator

from jobs.bfl import outgoing_hosts
from jobs.services import build_host_policy
from receiver.checks.context import Context
from receiver.checks.result import Result, ok, warning

NAME = "outgoing"


def check(context: Context) -> Iterator[Result]:
    """Connect to one host of each kind; any HTTP answer counts."""
    host_policy = build_host_policy(context.settings)
    found = outgoing_hosts.destinations(host_policy, context.settings.bfl_origin)
    if context.settings.bfl_api_key is None and host_policy.sandbox is None:
        hosts = ", ".join(host for one in found for host in one.patterns)
        yield warning(NAME, "not tried without BFL_API_KEY", f"Allow port 443 to {hosts}.")
        return
    for destination in found:
        hosts = " and ".join(destination.patterns)
        if not outgoing_hosts.has_concrete_sample(destination):
            yield ok(NAME, f"{destination.kind}, {hosts}: not tried, it is a pattern")
        elif why := outgoing_hosts.unreachable_reason(host_policy, destination):
            tried = destination.sample.origin.host
            yield warning(
                NAME, f"{destination.kind}, {tried}: {why}", f"Allow port 443 to {hosts}."
            )
        else:
            yield ok(NAME, f"{destination.kind}, {hosts}: reached")
