"""A machine without the Node.js that some tests need says what to install."""

from pathlib import Path

import pytest

from tests.harness import node


def test_a_machine_without_node_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(node.NodeMissing, match=r"no node here.*apt-get install nodejs npm"):
        node.ci()


def test_a_node_that_is_too_old_is_as_good_as_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = tmp_path / "node"
    old.write_text("#!/bin/sh\necho v18.20.4\n")
    old.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(node.NodeMissing, match=r"Node\.js is v18\.20\.4 here"):
        node.ci()
