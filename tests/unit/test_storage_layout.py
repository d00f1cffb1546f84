"""Keys of stored objects, and what each key means."""

import pytest

from jobs.storage.layout import ObjectKind, kind_of


@pytest.mark.parametrize(
    ("key", "meant"),
    [
        ("2026/01/01/a_b-c-0-1763805600123456.jpg", ObjectKind.MEDIA),
        ("2026/01/01/a-12-1.json", ObjectKind.SIDECAR),
        ("2026/01/01/a-0-1.thumb.webp", ObjectKind.THUMBNAIL),
        ("2026/01/01/a-0-1.bin", ObjectKind.MEDIA),
        ("2026/01/01/a.json", None),
        ("2026/01/01/a-0.jpg", None),
        ("package.json", None),
        ("2026/01/01/a-0-1.exe", None),
        ("2026/01/01/a-0-1.jpg\n", None),
        ("2026/01/01/../a-0-1.jpg", None),
    ],
)
def test_what_is_ours_is_known_by_its_key(key: str, meant: ObjectKind | None) -> None:
    assert kind_of(key) is meant
