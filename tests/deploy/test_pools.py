"""The templates of work pools, rendered the way a worker renders them, with what deployments ask for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import pytest
import yaml
from prefect.utilities.templating import apply_values

ROOT = Path(__file__).parents[2]
KINDS = ("docker", "kubernetes")
# What each kind of worker knows (prefect-docker 0.7, prefect-kubernetes 0.8); anything else it would drop in silence.
KNOWN = {
    "docker": {
        "name", "command", "env", "labels", "image", "registry_credentials", "image_pull_policy", "networks",
        "network_mode", "auto_remove", "volumes", "stream_output", "mem_limit", "memswap_limit", "privileged",
        "container_create_kwargs",
    },
    "kubernetes": {
        "name", "command", "env", "labels", "annotations", "namespace", "job_manifest", "cluster_config",
        "job_watch_timeout_seconds", "pod_watch_timeout_seconds", "stream_output",
    },
}  # fmt: skip


def template(kind: str) -> dict[str, Any]:
    return dict(json.loads((ROOT / "deploy" / "pools" / f"{kind}.json").read_text()))


def job_variables() -> list[dict[str, Any]]:
    """What the deployments of prefect.yaml ask of a pool, and one that asks for everything."""
    deployments = yaml.safe_load((ROOT / "prefect.yaml").read_text())["deployments"]
    return [each["work_pool"].get("job_variables", {}) for each in deployments]


def rendered(kind: str, **asked: Any) -> dict[str, Any]:
    """The job's configuration, as `BaseJobConfiguration.from_template_and_values` makes it."""
    pool = template(kind)
    properties = pool["variables"]["properties"]
    values = {name: each["default"] for name, each in properties.items() if each["default"] is not None} | asked
    values["env"] = properties["env"]["default"] | asked.get("env", {})
    return dict(apply_values(template=pool["job_configuration"], values=values))


@pytest.mark.parametrize("kind", KINDS)
def test_defaults_are_what_their_schema_allows(kind):
    variables = template(kind)["variables"]
    jsonschema.Draft202012Validator.check_schema(variables)
    defaults = {name: each["default"] for name, each in variables["properties"].items()}
    jsonschema.validate(defaults, variables)
    for asked in job_variables():
        jsonschema.validate(asked, variables)


@pytest.mark.parametrize("kind", KINDS)
def test_everything_asked_for_is_something_that_the_worker_knows(kind):
    assert set(template(kind)["job_configuration"]) <= KNOWN[kind]


@pytest.mark.parametrize("kind", KINDS)
def test_every_placeholder_has_a_variable_and_every_variable_a_place(kind):
    pool = template(kind)
    text = json.dumps(pool["job_configuration"])
    for name in pool["variables"]["properties"]:
        assert f"{{{{ {name} }}}}" in text, name
    filled = json.dumps(rendered(kind, name="run", command="prefect flow-run execute"))
    assert "{{" not in filled


def test_a_container_is_not_root_and_may_write_to_its_folders_alone():
    made = rendered("docker", env={"EXTRA": "1"})
    limits = made["container_create_kwargs"]
    assert (limits["user"], limits["read_only"], limits["cap_drop"]) == ("10001:10001", True, ["ALL"])
    assert made["env"]["EXTRA"] == "1"
    assert made["env"]["PREFECT_FLOWS_HEARTBEAT_FREQUENCY"] == "30"
    assert "/etc/assetmill/flow-run.env:/srv/assetmill/.env:ro" in made["volumes"]
    assert not made["privileged"]


def test_kubernetes_would_accept_the_job_of_a_flow_run():
    job = rendered("kubernetes", name="tiny", labels={"game": "tiny"})["job_manifest"]
    (container,) = job["spec"]["template"]["spec"]["containers"]
    # What the worker fills in: a name, the environment as a list, the command.
    job["metadata"]["name"] = "tiny-1"
    container["env"] = [{"name": name, "value": value} for name, value in container["env"].items()]
    container["args"] = ["prefect", "flow-run", "execute"]
    kubernetes_validate.validate(job, "1.33", strict=True)
    assert container["name"] == "prefect-job"  # the worker accepts no other
    assert job["spec"]["backoffLimit"] == 0  # a pod that is evicted gives its run back; Kubernetes starts none again
    assert container["envFrom"] == [{"configMapRef": {"name": "assetmill"}}, {"secretRef": {"name": "assetmill"}}]


@pytest.mark.parametrize("kind", KINDS)
def test_no_template_holds_a_secret(kind):
    properties = template(kind)["variables"]["properties"]
    assert not [
        name for name in properties["env"]["default"] if any(word in name for word in ("KEY", "SECRET", "PASS"))
    ]
