"""Context of the checks: the installation that they examine."""

from functools import cached_property

from jobs.archive.archive import Archive
from jobs.config.settings import Settings
from jobs.services import Services, build_archive, build_bfl_clients, build_storage, redis_for_web
from jobs.storage.base import MediaStorage
from jobs.storage.limits import WEB_LIMITS
from receiver.bfl_account import Account, Balances, ask_all


class Context:
    """Settings, and services that are built at first use: a broken part fails its own check only.

    The web process passes its services and its account instead.
    """

    def __init__(
        self, settings: Settings, services: Services | None = None, account: Account | None = None
    ) -> None:
        self.settings = settings
        self.redis_answers = False  # set by the check of Redis, which runs first
        self._services = services
        self._account = account

    @cached_property
    def services(self) -> Services:
        """Raises InvalidSettings."""
        return self._services or Services(self.settings, redis_for_web(self.settings), WEB_LIMITS)

    # Without Redis, whose URL may be what is wrong.

    @cached_property
    def storage(self) -> MediaStorage:
        """Raises InvalidSettings."""
        if self._services is not None:
            return self._services.storage
        return build_storage(self.settings)

    @cached_property
    def archive(self) -> Archive | None:
        if self._services is not None:
            return self._services.archive
        return build_archive(self.settings, None)

    @cached_property
    def balances(self) -> Balances:
        """The last known balances in the web process; elsewhere BFL is asked now."""
        if self._account is not None:
            return self._account.balances()
        return ask_all(build_bfl_clients(self.settings))
