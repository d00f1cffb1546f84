"""What the running application was built with, for its views."""

from typing import cast

from flask import current_app

from jobs.services import Services
from receiver.keys import Keyring


def services() -> Services:
    return cast(Services, current_app.extensions["fluxkeep"])


def keyring() -> Keyring:
    return cast(Keyring, current_app.extensions["keyring"])
