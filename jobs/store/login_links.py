"""Login links: signed tokens that log in once."""

from redis import Redis

from jobs.errors import MediaGone
from jobs.signing import LOGIN_SECONDS, LoginSigner
from jobs.store.clock import unavailable
from jobs.store.keys import USED_LOGIN_PREFIX


class LoginLinks:
    """Verifies tokens and marks in Redis those that were used, until they expire."""

    def __init__(self, redis: Redis, signer: LoginSigner) -> None:
        self._redis = redis
        self._signer = signer

    def use(self, token: str) -> str:
        """Use up a token; returns the name of its API key.

        Raises InvalidLink (forged or expired), MediaGone (used before) and StoreUnavailable.
        """
        read = self._signer.read(token)
        with unavailable():
            first = self._redis.set(USED_LOGIN_PREFIX + read.id, 1, nx=True, ex=LOGIN_SECONDS)
        if not first:
            raise MediaGone("this link has been used")
        return read.key_name
