"""Whatever would end a build, float, or be missing on a worker is found in the files."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from assetmill.workerimage import Code, check_image, read_lock
from assetmill.workflows import load_library

ROOT = Path(__file__).parents[3]


def changed(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text, old
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def codes(image, library) -> set[Code]:
    return {finding.code for finding in check_image(image, library)}


def without(text: str, kind: str, name: str) -> str:
    """A lock without one of its tables."""
    head, *tables = re.split(r"(?m)^(?=\[)", text)
    kept = [table for table in tables if not (table.startswith(f"[[{kind}]]") and f'"{name}"' in table)]
    assert len(kept) < len(tables), name
    return head + "".join(kept)


def test_the_image_as_it_stands_is_what_the_graphs_need():
    assert [str(finding) for finding in check_image(ROOT / "runpod-worker", load_library())] == []


def test_only_two_files_of_a_variant_wait_for_their_checksum():
    lock = read_lock(ROOT / "runpod-worker" / "models.lock")
    waiting = {"qwen_image_layered_fp8mixed.safetensors", "qwen_image_layered_vae.safetensors"}
    assert {model.file for model in lock.unlocked} <= waiting


@pytest.mark.parametrize("file", tuple(model.file for model in read_lock(ROOT / "runpod-worker" / "models.lock").model))
def test_every_model_that_is_taken_away_is_missed(image, library, file):
    lock = image / "models.lock"
    lock.write_text(without(lock.read_text(), "model", file), encoding="utf-8")
    findings = check_image(image, library)
    assert {finding.code for finding in findings} == {Code.MODEL_MISSING}
    assert file in findings[0].message


@pytest.mark.parametrize("pack", ("comfyui-rmbg", "comfyui-depthanythingv2"))
def test_every_node_pack_that_is_taken_away_is_missed(image, library, pack):
    lock = image / "models.lock"
    lock.write_text(without(lock.read_text(), "node", pack), encoding="utf-8")
    assert codes(image, library) == {Code.NODE_MISSING}


def test_a_graph_that_names_another_model_or_node_is_one_that_the_image_lacks(repository, image):
    changed(repository / "workflows" / "txt2img.json", "flux1-dev-fp8.safetensors", "other.safetensors")
    assert codes(image, load_library(repository / "workflows")) == {Code.MODEL_MISSING}
    changed(repository / "workflows" / "txt2img.json", "other.safetensors", "flux1-dev-fp8.safetensors")
    contract = repository / "workflows" / "contract.json"
    nodes = json.loads(contract.read_text())
    nodes["nodes"]["KSampler"]["module"] = "custom_nodes.other-sampler"
    contract.write_text(json.dumps(nodes))
    assert codes(image, load_library(repository / "workflows")) == {Code.NODE_MISSING}


def test_another_choice_of_a_custom_node_needs_files_of_its_own(repository, image):
    changed(repository / "workflows" / "entity.json", "BiRefNet-general", "BiRefNet_lite")
    findings = check_image(image, load_library(repository / "workflows"))
    missed = [word for finding in findings for word in finding.message.split() if word.startswith(("BiRef", "biref"))]
    assert {"BiRefNet_lite.safetensors", "birefnet_lite.py"} <= set(missed)
    assert {finding.code for finding in findings} == {Code.MODEL_MISSING}


def test_what_no_graph_uses_is_found(repository, image, library):
    changed(image / "models.lock", 'classes = ["BiRefNetRMBG"]', 'classes = ["BiRefNetRMBG", "RMBG"]')
    assert codes(image, library) == {Code.NODE_UNUSED}
    changed(image / "models.lock", 'classes = ["BiRefNetRMBG", "RMBG"]', 'classes = ["BiRefNetRMBG"]')
    bindings = repository / "workflows" / "bindings.json"
    document = json.loads(bindings.read_text())
    del document["workflows"]["parallax-depth"]
    bindings.write_text(json.dumps(document))
    (repository / "workflows" / "parallax-depth.json").unlink()
    assert codes(image, load_library(repository / "workflows")) == {Code.NODE_UNUSED, Code.MODEL_UNUSED}


FLUX = "8e91b68084b53a7fc44ed2a3756d821e355ac1a7b6fe29be760c1db532f3d88a"
REVISION = "40a8a3d745c7d7adb077cb19879a975aa19c847b"
RMBG = "58f1947a11567a9f8b707223185570850e773856"
MISTAKES = {
    "a checksum is gone": ("models.lock", f'sha256 = "{FLUX}"\n', "", Code.NO_CHECKSUM),
    "a checksum is empty": ("models.lock", FLUX, "", Code.NO_CHECKSUM),
    "a checksum is cut": ("models.lock", FLUX, FLUX[:40], Code.NO_CHECKSUM),
    "a checksum is given up": ("models.lock", FLUX, "unknown", Code.NO_CHECKSUM),
    "a variant's checksum is gone": ("models.lock", 'sha256 = "unknown"\n', "", Code.NO_CHECKSUM),
    "a size is gone": ("models.lock", "size = 17246524772\n", "", Code.NO_SIZE),
    "a model follows main": ("models.lock", REVISION, "main", Code.FLOATING),
    "a model follows a branch": ("models.lock", REVISION, "fp8", Code.FLOATING),
    "a model follows a short revision": ("models.lock", REVISION, REVISION[:8], Code.FLOATING),
    "a node pack follows a branch": ("models.lock", RMBG, "main", Code.FLOATING),
    "a node pack has a short commit": ("models.lock", RMBG, RMBG[:12], Code.FLOATING),
    "a node pack has no commit": ("models.lock", f'commit = "{RMBG}"\n', "", Code.FLOATING),
    "the base is the latest": ("Dockerfile", "worker-comfyui:5.8.5-base", "worker-comfyui:latest", Code.FLOATING),
    "the base has no tag": ("Dockerfile", "worker-comfyui:5.8.5-base", "worker-comfyui", Code.FLOATING),
    "the base is a range": ("Dockerfile", "worker-comfyui:5.8.5-base", "worker-comfyui:5.8-base", Code.FLOATING),
    "the base is an argument": (
        "Dockerfile", "FROM runpod/worker-comfyui:5.8.5-base", "ARG B=a/b:latest\nFROM ${B}", Code.FLOATING,
    ),
    "the base is another one": ("Dockerfile", "5.8.5-base", "5.8.6-base", Code.OTHER_BASE),
    "a package is a range": ("node-requirements.txt", "timm==", "timm>=", Code.FLOATING),
    "a package has no checksum": ("node-requirements.txt", " --hash=sha256:5bd5", " #", Code.FLOATING),
    "a package comes past its list": (
        "Dockerfile", "COPY workflows", "RUN uv pip install timm\nCOPY workflows", Code.FLOATING,
    ),
    "checksums of packages are not asked for": ("Dockerfile", " --require-hashes", "", Code.FLOATING),
    "a file comes past the lock": (
        "Dockerfile", "COPY workflows", "RUN wget -q https://example.com/x\nCOPY workflows", Code.PAST_THE_LOCK,
    ),
    "a node comes past the lock": (
        "Dockerfile", "COPY workflows", "RUN comfy-node-install x\nCOPY workflows", Code.PAST_THE_LOCK,
    ),
    "a file is added": ("Dockerfile", "COPY workflows workflows", "ADD workflows w", Code.PAST_THE_LOCK),
    "the start command is ours": ("Dockerfile", "WORKDIR /\n", 'CMD ["python"]\n', Code.START),
    "the handler is ours": ("Dockerfile", " /start_prefetching.py\nRUN", " /handler.py\nRUN", Code.START),
    "packages land elsewhere": ("Dockerfile", "ENV VIRTUAL_ENV=/opt/venv", "ENV X=1", Code.ENVIRONMENT),
    "nothing proves the nodes": ("Dockerfile", "prove.py --comfyui", "other.py --comfyui", Code.STEP_MISSING),
    "the proof comes before what it proves": (
        "Dockerfile", "RUN /opt/venv/bin/python fetch_nodes.py", "RUN true prove.py\nRUN true fetch_nodes.py",
        Code.STEP_MISSING,
    ),
    "a copied file is not there": ("Dockerfile", "steps/prove.py", "steps/gone.py", Code.FILE_MISSING),
    "a licence is not noted": ("models.lock", 'licence = "GPL-3.0"', 'licence = ""', Code.NO_LICENCE),
    "a weight's licence is not noted": ("models.lock", 'licence = "MIT (BiRefNet)"\n', "", Code.NO_LICENCE),
    "the base's digest is cut": ("Dockerfile", "5.8.5-base", "5.8.5-base@sha256:12", Code.FLOATING),
    "the base's argument is pinned too late": (
        "Dockerfile", "FROM runpod/worker-comfyui:5.8.5-base",
        "ARG T=latest\nFROM runpod/worker-comfyui:${T}\nARG T=5.8.5-base", Code.FLOATING,
    ),
    "pip has an option first": (
        "Dockerfile", "COPY workflows", "RUN pip -q install timm\nCOPY workflows", Code.FLOATING,
    ),
    "another pip": ("Dockerfile", "COPY workflows", "RUN pip3.12 install timm\nCOPY workflows", Code.FLOATING),
    "uv in another way": ("Dockerfile", "COPY workflows", "RUN uv pip sync x.txt\nCOPY workflows", Code.PAST_THE_LOCK),
    "a system package": (
        "Dockerfile", "COPY workflows", "RUN apt-get -y install jq\nCOPY workflows", Code.PAST_THE_LOCK,
    ),
    "git in another way": (
        "Dockerfile", "COPY workflows", "RUN git -C /comfyui pull\nCOPY workflows", Code.PAST_THE_LOCK,
    ),
    "an address is fetched by a program": (
        "Dockerfile", "COPY workflows", "RUN python -c 'get(\"https://example.com/x\")'\nCOPY workflows",
        Code.PAST_THE_LOCK,
    ),
    "a file of another image": (
        "Dockerfile", "COPY workflows", "COPY --from=busybox:latest /bin/x /x\nCOPY workflows", Code.PAST_THE_LOCK,
    ),
    "a folder goes into ComfyUI": (
        "Dockerfile", "COPY workflows", "COPY workflows /comfyui/custom_nodes/w\nCOPY workflows", Code.PAST_THE_LOCK,
    ),
    "a here-document": ("Dockerfile", "COPY workflows", "RUN <<E\nrm -rf /x\nE\nCOPY workflows", Code.PAST_THE_LOCK),
    "the start script is ours": ("Dockerfile", " /start_prefetching.py\nRUN", " /start.sh\nRUN", Code.START),
    "a step may fail": ("Dockerfile", '--models "${MODELS}"', '--models "${MODELS}" || true', Code.STEP_MISSING),
    "every image needs what only a variant holds": (
        "models.lock", 'set = "core"', 'set = "layered"', Code.MODEL_MISSING,
    ),
    "a set that nothing fetches": ("models.lock", 'set = "layered"', 'set = "other"', Code.MODEL_MISSING),
    "a volume cannot hold it": ("models.lock", 'place = "image"', 'place = "anywhere"', Code.NOT_ON_VOLUME),
    "the base is too old": ("models.lock", 'comfyui = "0.17.2"', 'comfyui = "0.3.77"', Code.TOO_OLD),
}  # fmt: skip


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_found_and_nothing_else(image, library, mistake):
    file, old, new, code = MISTAKES[mistake]
    changed(image / file, old, new)
    assert codes(image, library) == {code}


def test_packages_that_are_installed_before_the_environment_is_set_are_found(image, library):
    changed(image / "Dockerfile", "ENV VIRTUAL_ENV=/opt/venv\n", "")
    changed(image / "Dockerfile", "COPY workflows", "ENV VIRTUAL_ENV=/opt/venv\nCOPY workflows")
    assert codes(image, library) == {Code.ENVIRONMENT}


def test_a_node_that_the_contract_does_not_know_is_one_that_the_image_lacks(repository, image):
    path = repository / "workflows" / "txt2img.json"
    graph = json.loads(path.read_text())
    graph["99"] = {"class_type": "BrandNewNode", "inputs": {}}
    path.write_text(json.dumps(graph))
    findings = check_image(image, load_library(repository / "workflows"))
    assert {finding.code for finding in findings} == {Code.NODE_MISSING}
    assert "txt2img uses BrandNewNode" in findings[0].message


def test_a_node_pack_that_stands_twice_is_found(image, library):
    lock = image / "models.lock"
    text = lock.read_text()
    table = re.search(r"\[\[node\]\]\nname = \"ComfyUI-RMBG\".*?(?=\n\[\[)", text, re.DOTALL)
    lock.write_text(f"{text}\n{table[0]}", encoding="utf-8")
    assert codes(image, library) == {Code.TWICE}


def test_a_file_that_stands_twice_is_found(image, library):
    lock = image / "models.lock"
    text = lock.read_text()
    table = re.search(r"\[\[model\]\]\nfile = \"config.json\".*?(?=\n\[\[)", text, re.DOTALL)
    lock.write_text(f"{text}\n{table[0]}", encoding="utf-8")
    assert codes(image, library) == {Code.TWICE}


def test_a_digest_beside_the_tag_is_a_pin(image, library):
    changed(image / "Dockerfile", "5.8.5-base", "5.8.5-base@sha256:" + "0" * 64)
    assert codes(image, library) == set()
