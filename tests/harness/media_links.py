"""Media links as an installation signs them, of any life."""

import time

from pydantic import SecretStr

from jobs.signing import LinkSigner, MediaLink
from tests.harness.installation import DEFAULTS, Installation


def brief_link(
    installation: Installation, job_id: str, seconds: int, *, thumbnail: bool = False
) -> str:
    """A link to a job's first file that expires after so many seconds."""
    signer = LinkSigner([SecretStr(DEFAULTS["SECRET_KEY"])])
    link = MediaLink(job_id, 0, int(time.time()) + seconds, thumbnail=thumbnail)
    return f"{installation.url}/media/{signer.sign(link)}"
