"""Stored draft bundles as input: `{"draft_cache": {"job": "<id>", "n": 0}}` enhances a draft.

So does our own link to a bundle, which a client of BFL's API got with a draft, expired or not. It
is looked up when the job is accepted, as a worker knows nothing of archived jobs. The worker
replaces it by the bytes, or by a link, when it submits.
"""

from collections.abc import Callable, Mapping
from typing import Any

from jobs.bfl.parsing import TASK_ID
from jobs.catalog import Catalog
from jobs.domain.bfl_report import Role
from jobs.domain.errors import Invalid, InvalidLink
from jobs.domain.job import Job
from jobs.domain.job_record import DraftBundle
from jobs.input_parts import InputPart, base64_bytes
from jobs.net.ip import is_internal_host
from jobs.net.urls import URL_MAX_CHARS, parse
from jobs.services import Services
from jobs.signing import MediaLink

FIELD = "draft_cache"
MODE = {"mode": "draft_enhance"}  # the only mode of flux-3-video that takes a bundle
BASE64_MAX_BYTES = 128 * 2**20
LINK_MIN_SECONDS = 3600.0  # BFL fetches the bundle after the task has begun


def find(
    services: Services, given: Mapping[str, Any], may_use: Callable[[Job], bool]
) -> DraftBundle | None:
    """Find the bundle that an input refers to; None when it refers to none.

    A job that the caller may not use is as one that there is not. Raises Invalid when there is no
    such bundle, and StoreUnavailable.
    """
    value, bundle = given.get(FIELD), None
    if isinstance(value, dict):
        bundle = _find_by_reference(services.catalog, value, may_use)
    elif isinstance(value, str):
        bundle = _find_by_link(services, value, may_use)
    if bundle is None:
        return None
    if bundle.file.deleted_at is not None:
        raise _invalid("", "the draft bundle was deleted")
    is_too_large = base64_bytes(bundle.file.bytes) > BASE64_MAX_BYTES
    if is_too_large and not is_reachable(services.settings.public_url):
        why = "the draft bundle is too large for base64; BFL needs a public PUBLIC_URL to fetch it"
        raise _invalid("", why)
    return bundle


def _find_by_reference(
    catalog: Catalog, value: Mapping[str, Any], may_use: Callable[[Job], bool]
) -> DraftBundle:
    job_id, n = value.get("job"), value.get("n", 0)
    if unknown := value.keys() - {"job", "n"}:
        raise _invalid(f".{min(unknown)}", "there is no such field: name a job and n")
    if not isinstance(job_id, str) or not TASK_ID.fullmatch(job_id):
        raise _invalid(".job", "give the id of the job whose draft is to be enhanced")
    if type(n) is not int or n < 0:
        raise _invalid(".n", "give a whole number from 0")
    job = catalog.load(job_id)
    if job is None or not may_use(job):
        raise _invalid(".job", "no job has this id")
    found = [at for at, file in enumerate(job.media) if file.role is Role.DRAFT_CACHE]
    if n >= len(found):
        raise _invalid(".n", f"the job has {len(found)} draft bundles, counted from 0")
    return DraftBundle(job.id, found[n], job.media[found[n]])


def _find_by_link(
    services: Services, text: str, may_use: Callable[[Job], bool]
) -> DraftBundle | None:
    """The bundle of a link of ours, whenever it expires; None for any other text."""
    before, marker, token = text[:URL_MAX_CHARS].rpartition("/media/")
    if not (marker and before.startswith(("https://", "http://"))):
        return None
    try:
        link = services.links.read(token, now=0.0)
    except InvalidLink:
        return None
    job = services.catalog.load(link.job_id)
    file = job.media[link.n] if job and may_use(job) and link.n < len(job.media) else None
    if job is None or file is None:
        raise _invalid("", "the job of this link was deleted")
    if file.role is not Role.DRAFT_CACHE or link.thumbnail or link.is_input:
        raise _invalid("", "this link leads to no draft bundle")
    return DraftBundle(job.id, link.n, file)


def insert(
    services: Services, given: dict[str, Any], bundle: DraftBundle | None
) -> tuple[dict[str, Any], str | None]:
    """Replace the reference by the bytes of the bundle; also give a link to it, if BFL can use it.

    Base64 is BFL's primary form: a link is sent for a bundle that is too large for it, and where
    BFL refuses base64. Raises Invalid when the bundle is gone, StorageError and StoreUnavailable.
    """
    if bundle is None:
        return given, None
    if services.storage.size(bundle.file.key) is None:
        raise _invalid("", "the draft bundle is no longer in the storage")
    link = None
    if is_reachable(services.settings.public_url):
        seconds = max(services.settings.link_ttl, LINK_MIN_SECONDS)
        expires = int(services.store.now() + seconds)
        token = services.links.sign(MediaLink(bundle.job_id, bundle.position, expires))
        link = f"{services.base_url()}/media/{token}"
    if base64_bytes(bundle.file.bytes) > BASE64_MAX_BYTES:
        return MODE | given | {FIELD: link}, None
    return MODE | given | {FIELD: InputPart.of_object("input", bundle.file)}, link


def is_reachable(public_url: str) -> bool:
    """Whether BFL can fetch our links: PUBLIC_URL is set, and its host is not internal."""
    return bool(public_url) and not is_internal_host(parse(public_url).origin.host)


def _invalid(where: str, message: str) -> Invalid:
    return Invalid([{"field": f"input.{FIELD}{where}", "message": message}])
