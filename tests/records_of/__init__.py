"""What releases left in Redis and in the storage, each written by that release's own processes."""

import json
from base64 import b64decode
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from redis import Redis

HERE = Path(__file__).parent
RELEASES = sorted(path.stem for path in HERE.glob("*.json"))


@dataclass(frozen=True)
class Legacy:
    """The jobs with their states, every key with its kind and value, and the media."""

    jobs: dict[str, str]
    keys: dict[str, tuple[str, Any]]
    media: dict[str, bytes]

    @classmethod
    def of(cls, release: str) -> Self:
        said = json.loads((HERE / f"{release}.json").read_text())
        media = {key: b64decode(body) for key, body in said["media"].items()}
        return cls(said["jobs"], said["keys"], media)

    def put(self, redis: Redis, directory: Path) -> None:
        """As if that release had run here until now."""
        for key, (kind, value) in self.keys.items():
            _restore(redis, key.encode("latin-1"), kind, value)
        for name, body in self.media.items():
            path = directory / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(body)


def _restore(redis: Any, key: bytes, kind: str, value: Any) -> None:
    if kind == "string":
        redis.set(key, value.encode("latin-1"))
    elif kind == "hash":
        redis.hset(key, mapping=_pairs(value))
    elif kind == "list":
        redis.rpush(key, *(word.encode("latin-1") for word in value))
    elif kind == "set":
        redis.sadd(key, *(word.encode("latin-1") for word in value))
    elif kind == "zset":
        redis.zadd(key, {member.encode("latin-1"): score for member, score in value})
    else:
        for place, said in value:
            redis.xadd(key, _pairs(said), place)


def _pairs(said: dict[str, str]) -> dict[bytes, bytes]:
    return {name.encode("latin-1"): text.encode("latin-1") for name, text in said.items()}
