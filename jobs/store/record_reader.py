"""Read many job records at once, without those that cannot match a search."""

from collections.abc import Iterable, Sequence

from jobs.domain.job import Job
from jobs.store import codec
from jobs.store.redis.client import StoreClient
from jobs.store.redis.keys import RECORD_PREFIX


def load_records(
    redis: StoreClient, job_ids: Iterable[str], required_texts: Sequence[bytes] = ()
) -> dict[str, Job | None]:
    """Load the records with these ids; None stands for an unreadable one.

    Missing records are left out, and so are records that surely lack a required text.
    """
    distinct_ids = list(dict.fromkeys(job_ids))
    if not distinct_ids:
        return {}
    records = redis.mget([RECORD_PREFIX + job_id for job_id in distinct_ids])
    jobs: dict[str, Job | None] = {}
    for job_id, record in zip(distinct_ids, records, strict=True):
        if record and _may_have_texts(record, required_texts):
            jobs[job_id] = codec.decode_if_readable(record)
    return jobs


def _may_have_texts(record: bytes, required_texts: Sequence[bytes]) -> bool:
    """False if a record surely lacks one of the texts.

    That is seen in a quarter of the time that decoding the record takes. Letters beyond ASCII may
    fold into a text that is not there.
    """
    if not required_texts:
        return True
    record_text = codec.text_of(record).lower()
    if not record_text.isascii() or rb"\u" in record_text:
        return True
    return all(text in record_text for text in required_texts)
