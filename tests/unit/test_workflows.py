"""The workflows of GitHub and n8n: what these read in our files."""

import json
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft7Validator

from deploy.procfile import ROOT

WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))
SCHEMA = resources.files("check_jsonschema") / "builtin_schemas/vendor/github-workflows.json"
N8N = json.loads((ROOT / "deploy/n8n/fluxkeep.json").read_text())


def steps(name: str) -> list[dict[str, Any]]:
    """The steps of the only job of a workflow."""
    workflow = yaml.safe_load((ROOT / ".github/workflows" / name).read_text())
    (job,) = workflow["jobs"].values()
    found: list[dict[str, Any]] = job["steps"]
    return found


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_github_understands_a_workflow(path: Path) -> None:
    # YAML 1.1 reads the key `on` as true; GitHub does not.
    workflow = {
        "on" if key is True else key: v for key, v in yaml.safe_load(path.read_text()).items()
    }
    errors = Draft7Validator(json.loads(SCHEMA.read_text())).iter_errors(workflow)
    assert [f"{error.json_path}: {error.message}" for error in errors] == []


def test_workflows_run_our_commands_and_write_nothing_of_others_into_a_script() -> None:
    assert steps("test.yml")[-1] == {"run": ".ci/run"}
    assert (ROOT / ".ci/run").read_text().splitlines()[-1] == "make test"
    (build,) = [step["run"] for step in steps("image.yml") if step.get("name") == "Build"]
    assert "docker build --file deploy/Dockerfile" in build
    workflow = yaml.safe_load((ROOT / ".github/workflows/test.yml").read_text())
    oldest, newest = workflow["jobs"]["test"]["strategy"]["matrix"]["python"]
    assert (ROOT / ".python-version").read_text() == f"{newest}\n"
    dockerfile = (ROOT / "deploy/Dockerfile").read_text()
    assert f"ARG PYTHON_IMAGE=python:{newest}-slim" in dockerfile
    assert f'requires-python = ">={oldest}"' in (ROOT / "pyproject.toml").read_text()
    for path in WORKFLOWS:
        assert not [step for step in steps(path.name) if "${{" in step.get("run", "")], path


def test_each_node_of_n8n_is_reached_and_none_holds_a_key() -> None:
    names = [node["name"] for node in N8N["nodes"]]
    assert len({*names}) == len({node["id"] for node in N8N["nodes"]}) == len(names)
    outputs = [branch for one in N8N["connections"].values() for branch in one["main"]]
    reached = {target["node"] for branch in outputs for target in branch}
    assert N8N["connections"].keys() <= {*names}
    assert reached | {"Start"} == {*names}
    calls = [node for node in N8N["nodes"] if "/api/jobs" in node["parameters"].get("url", "")]
    assert len(calls) == 2 and "x-key" not in json.dumps(N8N)
    assert {one["parameters"]["genericAuthType"] for one in calls} == {"httpHeaderAuth"}
