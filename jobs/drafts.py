"""Stored draft bundles as input: `{"draft_cache": {"job": "<id>", "n": 0}}` enhances a draft.

So does our own link to a bundle, which a client of BFL's API got with a draft, expired or not. The
bundle is looked up when the job is accepted, as a worker knows nothing of archived jobs. The worker
replaces the reference by the bytes, or by a link, when it submits.
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
    services: Services, values: Mapping[str, Any], may_use: Callable[[Job], bool]
) -> DraftBundle | None:
    """Find the bundle that an input refers to; None when it refers to none.

    A job that the caller may not use counts as missing. Raises Invalid when the bundle does not
    exist, and StoreUnavailable.
    """
    reference = values.get(FIELD)
    bundle: DraftBundle | None = None
    if isinstance(reference, dict):
        bundle = _find_by_reference(services.catalog, reference, may_use)
    elif isinstance(reference, str):
        bundle = _find_by_link(services, reference, may_use)
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
    catalog: Catalog, reference: Mapping[str, Any], may_use: Callable[[Job], bool]
) -> DraftBundle:
    unknown_names = reference.keys() - {"job", "n"}
    if unknown_names:
        first_name = min(unknown_names)
        raise _invalid(f".{first_name}", "there is no such field: name a job and n")
    job_id = reference.get("job")
    if not isinstance(job_id, str) or not TASK_ID.fullmatch(job_id):
        raise _invalid(".job", "give the id of the job whose draft is to be enhanced")
    number = reference.get("n", 0)
    if type(number) is not int or number < 0:
        raise _invalid(".n", "give a whole number from 0")
    job = catalog.load(job_id)
    if job is None or not may_use(job):
        raise _invalid(".job", "no job has this id")
    positions = [
        position for position, file in enumerate(job.media) if file.role is Role.DRAFT_CACHE
    ]
    if number >= len(positions):
        raise _invalid(".n", f"the job has {len(positions)} draft bundles, counted from 0")
    position = positions[number]
    return DraftBundle(job.id, position, job.media[position])


def _find_by_link(
    services: Services, text: str, may_use: Callable[[Job], bool]
) -> DraftBundle | None:
    """The bundle of a link of ours, whenever it expires; None for any other text."""
    base_url, marker, token = text[:URL_MAX_CHARS].rpartition("/media/")
    if not marker or not base_url.startswith(("https://", "http://")):
        return None
    try:
        link = services.links.read(token, now=0.0)
    except InvalidLink:
        return None
    job = services.catalog.load(link.job_id)
    if job is None or not may_use(job) or link.n >= len(job.media):
        raise _invalid("", "the job of this link was deleted")
    file = job.media[link.n]
    if file.role is not Role.DRAFT_CACHE or link.thumbnail or link.is_input:
        raise _invalid("", "this link leads to no draft bundle")
    return DraftBundle(job.id, link.n, file)


def insert(
    services: Services, values: dict[str, Any], bundle: DraftBundle | None
) -> tuple[dict[str, Any], str | None]:
    """Replace the reference by the bytes of the bundle; also give a link to it, if BFL can use it.

    Base64 is BFL's primary form: a link is sent for a bundle that is too large for it, and where
    BFL refuses base64. Raises Invalid when the bundle is gone, StorageError and StoreUnavailable.
    """
    if bundle is None:
        return values, None
    if services.storage.size(bundle.file.key) is None:
        raise _invalid("", "the draft bundle is no longer in the storage")
    link: str | None = None
    if is_reachable(services.settings.public_url):
        link = _link_to(services, bundle)
    with_bundle = {**MODE, **values}
    if base64_bytes(bundle.file.bytes) > BASE64_MAX_BYTES:
        with_bundle[FIELD] = link
        return with_bundle, None
    with_bundle[FIELD] = InputPart.of_object("input", bundle.file)
    return with_bundle, link


def _link_to(services: Services, bundle: DraftBundle) -> str:
    seconds = max(services.settings.link_ttl, LINK_MIN_SECONDS)
    expires = int(services.store.now() + seconds)
    token = services.links.sign(MediaLink(bundle.job_id, bundle.position, expires))
    return f"{services.base_url()}/media/{token}"


def is_reachable(public_url: str) -> bool:
    """Whether BFL can fetch our links: PUBLIC_URL is set, and its host is not internal."""
    if not public_url:
        return False
    return not is_internal_host(parse(public_url).origin.host)


def _invalid(where: str, message: str) -> Invalid:
    return Invalid([{"field": f"input.{FIELD}{where}", "message": message}])
