"""What cannot be run here, Docker and Kubernetes, is held against what it refers to, and against published schemas."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import kubernetes_validate
import pathspec
import pytest
import yaml

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
DOCKERFILE = (DEPLOY / "Dockerfile").read_text()
COMPOSE = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
MANIFESTS = sorted((DEPLOY / "kubernetes").glob("*.yaml"))
ASKED = re.compile(r"\$\{(\w+)(:[?-])?([^}]*)\}")


def program(name: str) -> str:
    return str(Path(sys.executable).with_name(name))


def documents() -> list[dict]:
    """Every Kubernetes object."""
    return [found for file in MANIFESTS for found in yaml.safe_load_all(file.read_text())]


def pods() -> dict[str, dict]:
    """Every pod that Kubernetes would be asked for, the flow run's included."""
    found = {
        one["metadata"].get("name", "prefect-migrate"): one["spec"]["template"]["spec"]
        for one in documents()
        if one["kind"] in ("Deployment", "Job")
    }
    flow_run = json.loads((DEPLOY / "pools" / "kubernetes.json").read_text())["job_configuration"]["job_manifest"]
    return found | {"flow-run": flow_run["spec"]["template"]["spec"]}


def test_hadolint_finds_nothing():
    done = subprocess.run(
        [program("hadolint"), str(DEPLOY / "Dockerfile")], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "")


def test_yamllint_finds_nothing():
    command = [program("yamllint"), "--strict", "--config-file", str(DEPLOY / "yamllint.yaml"), str(DEPLOY)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def copied() -> list[str]:
    """What the Dockerfile takes from the repository."""
    lines = re.findall(r"^COPY (?!--from)(.+)$", DOCKERFILE, re.MULTILINE)
    return [word for line in lines for word in line.split()[:-1]]


def test_what_the_image_copies_is_there_and_reaches_the_builder():
    ignored = pathspec.GitIgnoreSpec.from_lines((ROOT / ".dockerignore").read_text().splitlines())
    assert len(copied()) >= 9
    for name in copied():
        assert (ROOT / name).exists(), name
        assert not ignored.match_file(name), name


def test_no_key_and_no_history_reaches_the_builder():
    ignored = pathspec.GitIgnoreSpec.from_lines((ROOT / ".dockerignore").read_text().splitlines())
    for name in (".env", ".git/config", "out/ledger.db", "deploy/.env", "assetmill/.env", "flows/.env", "tests/x.py"):
        assert ignored.match_file(name), name


def test_the_image_has_a_pinned_base_and_a_numeric_user_that_is_not_root():
    assert re.search(r"^ARG PYTHON=3\.11\.\d+-slim-\w+$", DOCKERFILE, re.MULTILINE)
    assert set(re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)) == {"python:${PYTHON}"}
    assert re.findall(r"^USER (\S+)", DOCKERFILE, re.MULTILINE) == ["10001:10001"]


def test_what_the_wheel_is_made_of_is_copied_before_it_is_made():
    """Building it here would need a registry; docs/servers.md says how it was done."""
    wheel = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert {*wheel["packages"], *wheel["force-include"]} <= set(copied())
    assert {"pyproject.toml", "README.md", "LICENSE"} <= set(copied())


def test_the_image_installs_the_drivers_of_postgresql_and_redis():
    assert re.findall(r"more\['(\w+)'\]", DOCKERFILE) == ["postgres", "redis"]
    assert "--constraint requirements.lock" in DOCKERFILE


def test_every_image_is_pinned():
    images = [service["image"] for service in COMPOSE["services"].values()]
    images += [container["image"] for pod in pods().values() for container in pod["containers"]]
    pinned = [image for image in images if "{{" not in image and image != "assetmill"]
    assert len(pinned) >= 6
    assert [image for image in pinned if not re.search(r":(\d[\w.-]*|\$\{\w+:-\d[\d.]*\})$", image)] == []


def test_compose_names_only_what_there_is():
    services, volumes = COMPOSE["services"], COMPOSE["volumes"]
    for name, service in services.items():
        for file in service.get("env_file", ()):
            assert file == "../.env" or (DEPLOY / file).is_file(), file
        assert set(service.get("depends_on", {})) <= set(services), name
        for volume in service.get("volumes", ()):
            source = volume.split(":")[0]
            assert (DEPLOY / source).is_file() if source.startswith("./") else source in volumes, volume
        for other, how in service.get("depends_on", {}).items():
            if how["condition"] == "service_healthy":
                assert "healthcheck" in services[other], other


def test_compose_has_no_password_of_its_own_and_its_example_names_every_variable():
    text = (DEPLOY / "compose.yaml").read_text()
    asked = {name: how for name, how, _ in ASKED.findall(text)}
    documented = dict(re.findall(r"^(\w+)=(.*)$", (DEPLOY / "compose.env.example").read_text(), re.MULTILINE))
    assert set(asked) == set(documented)
    secret = {name for name in asked if "PASSWORD" in name}
    assert len(secret) == 5
    assert {name for name, how in asked.items() if how == ":?"} == secret
    assert {documented[name] for name in secret} == {""}


@pytest.mark.parametrize(
    "name", [name for name, service in COMPOSE["services"].items() if "assetmill:" in service["image"]]
)
def test_containers_of_ours_are_confined(name):
    service = COMPOSE["services"][name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]


@pytest.mark.parametrize("found", documents(), ids=lambda found: f"{found['kind']}-{found['metadata'].get('name')}")
def test_kubernetes_would_accept_it(found):
    named = {**found, "metadata": {"name": "generated", **found["metadata"]}}
    kubernetes_validate.validate(named, "1.33", strict=True)


@pytest.mark.parametrize("name", sorted(pods()))
def test_no_pod_is_root_or_may_write_to_its_image(name):
    pod = pods()[name]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["runAsUser"] == 10001
    for container in pod["containers"]:
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert "memory" in container["resources"]["limits"]


def test_every_config_map_and_secret_that_a_pod_names_is_made():
    kustomization = yaml.safe_load((DEPLOY / "kustomization.yaml").read_text())
    made = {each["name"] for each in kustomization["configMapGenerator"]}
    made |= {found["metadata"]["name"] for found in documents() if found["kind"] == "Secret"}
    text = "\n".join(file.read_text() for file in MANIFESTS)
    named = set(re.findall(r"(?:configMapRef|secretRef|secretKeyRef): \{name: ([\w-]+)", text))
    assert named <= made
    assert {DEPLOY / file for each in kustomization["configMapGenerator"] for file in each["envs"]} <= set(
        DEPLOY.rglob("*.env")
    )
    assert [file for file in kustomization["resources"] if not (DEPLOY / file).is_file()] == []


def test_who_asks_the_api_is_let_in_and_keeps_its_label():
    policy = next(found for found in documents() if found["kind"] == "NetworkPolicy")
    ((label, value),) = policy["spec"]["ingress"][0]["from"][0]["podSelector"]["matchLabels"].items()
    assert not label.startswith("app.kubernetes.io/"), "Prefect's worker writes its own over those"
    worker = next(
        found
        for found in documents()
        if found["metadata"].get("name") == "prefect-worker" and found["kind"] == "Deployment"
    )
    flow_run = json.loads((DEPLOY / "pools" / "kubernetes.json").read_text())["job_configuration"]["job_manifest"]
    for pod in (worker["spec"]["template"], flow_run["spec"]["template"]):
        assert pod["metadata"]["labels"][label] == value


def test_kustomize_builds_all_of_it():
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        pytest.skip("no kubectl on this machine")
    done = subprocess.run([kubectl, "kustomize", str(DEPLOY)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    built = list(yaml.safe_load_all(done.stdout))
    for found in built:
        kubernetes_validate.validate(found, "1.33", strict=True)
    assert {found["metadata"]["name"] for found in built if found["kind"] == "ConfigMap"} == {
        "prefect-server", "prefect-replicas", "assetmill",
    }  # fmt: skip


def test_haproxy_accepts_its_file():
    haproxy = shutil.which("haproxy")
    if haproxy is None:
        pytest.skip("no haproxy on this machine")
    done = subprocess.run(
        [haproxy, "-c", "-f", str(DEPLOY / "haproxy.cfg")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
