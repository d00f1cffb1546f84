"""`python -m tests.records_of 0.2.0`: have this release write what later ones must read.

To be run once for each release, on the commit that is tagged; what it writes is never changed.
"""

import json
import sys
import tempfile
from base64 import b64encode
from pathlib import Path
from typing import Any

from jobs.keys import INDEX
from tests.harness.scene import Scene, running_scene
from tests.records_of import HERE

# Of RQ only the entries: its workers have their own ways to notice who is gone.
_KEPT = ("fluxkeep:", "rq:job:", "rq:queue")
SIZE_BYTES = 3000


def main(release: str) -> None:
    with (
        tempfile.TemporaryDirectory() as directory,
        running_scene(Path(directory), CALLBACK_GRACE="600", GIVE_UP_AFTER="20") as scene,
    ):
        _work(scene)
        said = _left(scene)
    text = json.dumps({"written_by": release, **said}, indent=1, sort_keys=True)
    (HERE / f"{release}.json").write_text(text + "\n")


def _work(scene: Scene) -> None:
    """A job in each state that lasts, and one that waits for each kind of work."""
    described = scene.generate(size=SIZE_BYTES)
    scene.expect(described, model="flux-2-pro", metadata={"user": "4711"})
    for task in (described, scene.generate(size=SIZE_BYTES)):
        scene.drawn(task)
    for outcome in ("content_moderated", "error"):
        scene.client.wait_for(scene.generate(outcome=outcome).id)
    scene.installation.kill("worker", "sweep")
    scene.expected()
    scene.outcomes(scene.generate(size=SIZE_BYTES))
    order = {"model": "flux-2-pro", "input": {"prompt": "a fox"}}
    scene.client.request("POST", "/api/jobs", json=order).raise_for_status()
    scene.installation.kill()


def _left(scene: Scene) -> dict[str, Any]:
    shelf = scene.installation.shelf
    with scene.installation.redis.client() as redis:
        names = sorted(key.decode("latin-1") for key in redis.scan_iter("*"))
        keys = {name: _dumped(redis, name) for name in names if name.startswith(_KEPT)}
    states = {name: value for name, (_, value) in keys.items() if name.startswith(INDEX)}
    return {
        "keys": keys,
        "jobs": {job: name.removeprefix(INDEX) for name, row in states.items() for job, _ in row},
        "media": {key: b64encode(shelf.read(key)).decode() for key in sorted(shelf.sizes())},
    }


def _dumped(redis: Any, name: str) -> tuple[str, Any]:
    key = name.encode("latin-1")
    kind = redis.type(key).decode()
    if kind == "string":
        return kind, _text(redis.get(key))
    if kind == "hash":
        return kind, _pairs(redis.hgetall(key))
    if kind == "list":
        return kind, [_text(word) for word in redis.lrange(key, 0, -1)]
    if kind == "set":
        return kind, sorted(_text(word) for word in redis.smembers(key))
    if kind == "zset":
        rows = redis.zrange(key, 0, -1, withscores=True)
        return kind, [[_text(member), score] for member, score in rows]
    return kind, [[_text(place), _pairs(said)] for place, said in redis.xrange(key)]


def _pairs(said: dict[bytes, bytes]) -> dict[str, str]:
    return {_text(name): _text(value) for name, value in said.items()}


def _text(word: bytes) -> str:
    return word.decode("latin-1")


if __name__ == "__main__":
    main(sys.argv[1])
