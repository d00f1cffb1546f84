"""Secrets are compared in constant time.

Time itself is too noisy to measure in a test; the syntax trees are not.
"""

import ast
from collections.abc import Iterator

import pytest

from deploy.procfile import ROOT

FILES = ("jobs/signing.py", "jobs/config/api_keys.py:find")  # whole, or one function of it
# All of them stop at the first difference, or look their argument up by it.
HASTY_COMPARISONS = (ast.Eq, ast.NotEq, ast.In, ast.NotIn)
HASTY_METHODS = {"count", "endswith", "find", "get", "index", "pop", "rfind", "startswith"}
# These stop at the first match: the time would tell which secret of a list it was.
HASTY_FUNCTIONS = {"any", "all", "next", "filter"}


def hasty(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare):
            left = node.left
            if isinstance(left, ast.Call) and _name(left.func) == "len":
                continue  # lengths are public
            if any(isinstance(operator, HASTY_COMPARISONS) for operator in node.ops):
                yield ast.unparse(node)
        elif isinstance(node, ast.Match):
            yield f"match {ast.unparse(node.subject)}"
        elif isinstance(node, ast.Call) and _name(node.func) in HASTY_METHODS | HASTY_FUNCTIONS:
            yield ast.unparse(node)


def _name(called: ast.expr) -> str:
    if isinstance(called, ast.Attribute):
        return called.attr
    return called.id if isinstance(called, ast.Name) else ""


@pytest.mark.parametrize("file", FILES)
def test_secrets_are_compared_in_constant_time_alone(file: str) -> None:
    path, _, function = file.partition(":")
    tree: ast.AST = ast.parse((ROOT / path).read_text())
    if function:
        tree = next(one for one in ast.walk(tree) if getattr(one, "name", None) == function)
    assert list(hasty(tree)) == []
    called = [_name(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)]
    assert "compare_digest" in called


@pytest.mark.parametrize(
    "source",
    [
        *("given == secret", "given != secret", "given in secrets", "given not in secrets"),
        *("secrets.get(given)", "secrets.index(given)", "secret.startswith(given)"),
        "any(compare_digest(given, secret) for secret in secrets)",
        "match given:\n    case 'secret': pass",
    ],
)
def test_a_comparison_with_an_operator_is_found(source: str) -> None:
    assert list(hasty(ast.parse(source)))
