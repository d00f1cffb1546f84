"""What the bytes of an object come to."""

import hashlib

from jobs.media import MediaStore


def sha256(media: MediaStore, key: str) -> str:
    digest = hashlib.sha256()
    for piece in media.read(key):
        digest.update(piece)
    return digest.hexdigest()
