"""What cannot be built here, the image and its workflow on GitHub, is held against what it refers to."""

from __future__ import annotations

import re
from pathlib import Path

import pathspec
import pytest
import yaml

from assetmill.workerimage import read_dockerfile, read_lock

ROOT = Path(__file__).parents[2]
WORKER = ROOT / "runpod-worker"
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
BUILD = (ROOT / ".github" / "workflows" / "build-runpod-worker.yml").read_text(encoding="utf-8")
PIN = re.compile(r"[\w-]+/[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+")


def copied() -> list[str]:
    """What the Dockerfile takes from the repository."""
    words = [one.text.split()[:-1] for one in read_dockerfile(WORKER / "Dockerfile") if one.name == "COPY"]
    return [name for line in words for name in line]


@pytest.fixture
def ignored():
    return pathspec.GitIgnoreSpec.from_lines((WORKER / "Dockerfile.dockerignore").read_text().splitlines())


def test_what_the_image_copies_is_there_and_reaches_the_builder(ignored):
    assert len(copied()) >= 7
    for name in copied():
        files = [ROOT / name] if (ROOT / name).is_file() else list((ROOT / name).glob("*.json"))
        assert files, name
        assert [file for file in files if ignored.match_file(str(file.relative_to(ROOT)))] == []


@pytest.mark.parametrize(
    "name",
    (".env", ".git/config", "out/ledger.db", "runpod-worker/.env", "runpod-worker/endpoint.yaml", "assetmill/cli.py"),
)
def test_no_key_and_no_history_reaches_the_builder(ignored, name):
    assert ignored.match_file(name)


def loaded(path: Path) -> dict:
    return yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.BaseLoader)  # noqa: S506  no types: `on` is a word


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_every_action_is_pinned_by_a_commit_that_says_its_version(path):
    used = re.findall(r"uses: (.+)", path.read_text(encoding="utf-8"))
    assert used
    assert [one for one in used if not PIN.fullmatch(one)] == []


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_may_read_the_repository_and_no_more(path):
    workflow = loaded(path)
    assert workflow["permissions"] == {}
    assert {str(job["permissions"]) for job in workflow["jobs"].values()} == {"{'contents': 'read'}"}
    assert "pull_request_target" not in workflow["on"]


def test_pull_requests_run_the_script_that_is_run_by_hand():
    check = loaded(ROOT / ".github" / "workflows" / "check.yml")
    assert set(check["on"]) == {"pull_request"}
    assert check["jobs"]["check"]["steps"][-1] == {"run": ".ci/run"}


def test_the_image_is_built_when_what_it_is_made_of_changes():
    spec = pathspec.GitIgnoreSpec.from_lines(loaded(WORKFLOWS[0])["on"]["push"]["paths"])
    made_of = ["runpod-worker/Dockerfile", "runpod-worker/node-requirements.txt", "workflows/contract.json", *copied()]
    assert [name for name in made_of if name != "workflows" and not spec.match_file(name)] == []
    assert not spec.match_file("runpod-worker/README.md")
    assert not spec.match_file("docs/worker-image.md")


def test_what_the_workflow_lets_people_choose_is_what_the_dockerfile_knows():
    inputs = loaded(WORKFLOWS[0])["on"]["workflow_dispatch"]["inputs"]
    text = (WORKER / "Dockerfile").read_text(encoding="utf-8")
    assert set(re.findall(r'--build-arg "(\w+)=', BUILD)) == set(re.findall(r"(?m)^ARG (\w+)", text))
    assert inputs["models"]["options"] == re.findall(r"(?m)^    (baked|volume)\) ", text)
    sets = {model.set for model in read_lock(WORKER / "models.lock").model}
    assert {one for choice in inputs["sets"]["options"] for one in choice.split(",")} == sets


def test_a_tag_is_made_of_version_and_commit_and_used_once():
    assert 'tag="${version}-${GITHUB_SHA::12}"' in BUILD
    assert ":latest" not in BUILD
    steps = [step.get("run", "") for step in loaded(WORKFLOWS[0])["jobs"]["build"]["steps"]]
    [looked] = [at for at, run in enumerate(steps) if "docker manifest inspect" in run and "exit 1" in run]
    assert looked < next(at for at, run in enumerate(steps) if "docker build " in run)
