"""Run the sandbox alone, as a local BFL: `python -m tests.sandbox`."""

import argparse
import os
import signal

from tests.sandbox.sandbox import Sandbox
from tests.sandbox.settings import Settings

DEFAULT_PORT = 9100


def read_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m tests.sandbox", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=DEFAULT_PORT, help="0 picks a free port")
    parser.add_argument(
        "--clusters",
        type=int,
        default=0,
        help="hosts that know their own tasks alone, at the next ports",
    )
    parser.add_argument(
        "--key",
        nargs="+",
        action="extend",
        help="accepted keys; without this option, any key is accepted",
    )
    parser.add_argument(
        "--check-keys",
        action="store_true",
        help="keys that do not begin with bfl_ are malformed, as at BFL",
    )
    parser.add_argument(
        "--webhook-url",
        help="webhook of tasks without a webhook_url of their own; WEBHOOK_SECRET authenticates it",
    )
    return parser.parse_args()


def main() -> None:
    given = read_arguments()
    stop = {signal.SIGINT, signal.SIGTERM}
    # Blocked before the first thread starts, so that only the wait below receives them.
    signal.pthread_sigmask(signal.SIG_BLOCK, stop)
    settings = Settings(
        keys=set(given.key or []),
        key_start="bfl_" if given.check_keys else "",
        webhook_url=given.webhook_url,
        # Not an argument: every user of this machine can read a command line.
        webhook_secret=os.environ.get("WEBHOOK_SECRET"),
    )
    with Sandbox(settings, host=given.host, port=given.port, clusters=given.clusters) as sandbox:
        print(
            f"BFL sandbox at {sandbox.url} - start Fluxkeep with BFL_SANDBOX_URL={sandbox.setting}",
            flush=True,
        )
        signal.sigwait(stop)


if __name__ == "__main__":
    main()
