"""The build fails where a worker would fail: a node that did not import, an input it lacks, a file it does not see."""

from __future__ import annotations

import copy
import json
import re
import shutil
import socket
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
COMFYUI = '''
"""Answers as ComfyUI does, from two files beside it."""
import json, sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

assert "--cpu" in sys.argv
HERE = Path(__file__).parent

class Answers(BaseHTTPRequestHandler):
    def do_GET(self):
        body = (HERE / (self.path.strip("/") + ".json")).read_bytes()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass

HTTPServer(("127.0.0.1", int(sys.argv[sys.argv.index("--port") + 1])), Answers).serve_forever()
'''
IMPORTS = re.compile(r"imports = \[.*\]")  # what this machine has no need of
RECORDED = json.loads((ROOT / "tests" / "fixtures" / "object_info" / "0.17.0.json").read_text())
FILES = {
    ("CheckpointLoaderSimple", "ckpt_name"): "flux1-dev-fp8.safetensors",
    ("UNETLoader", "unet_name"): "qwen_image_layered_fp8mixed.safetensors",
    ("CLIPLoader", "clip_name"): "qwen_2.5_vl_7b_fp8_scaled.safetensors",
    ("VAELoader", "vae_name"): "qwen_image_layered_vae.safetensors",
}


def with_files(info: dict, *, only: tuple[str, ...] = tuple(FILES.values())) -> dict:
    """What a ComfyUI with those files in its folders tells."""
    info = copy.deepcopy(info)
    for (kind, name), file in FILES.items():
        options = [file] if file in only else []
        entry = info[kind]["input"]["required"][name]
        info[kind]["input"]["required"][name] = (
            [options, *entry[1:]] if isinstance(entry[0], list) else [entry[0], {"options": options}]
        )
    return info


@pytest.fixture
def prove(step, tmp_path):
    """Runs the proof against a ComfyUI that tells what it is given."""
    comfyui = tmp_path / "comfyui"
    models = comfyui / "models" / "RMBG" / "BiRefNet"
    models.mkdir(parents=True)
    (comfyui / "main.py").write_text(COMFYUI)
    (models / "birefnet.py").write_text("from .BiRefNet_config import CONFIG\n")
    (models / "BiRefNet_config.py").write_text("CONFIG = 1\n")
    lock = tmp_path / "models.lock"
    lock.write_text(IMPORTS.sub('imports = ["json"]', (ROOT / "runpod-worker" / "models.lock").read_text()))

    def run(info, *more: object, version="0.17.2"):
        (comfyui / "object_info.json").write_text(json.dumps(info))
        (comfyui / "system_stats.json").write_text(json.dumps({"system": {"comfyui_version": version}}))
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        return step(
            "prove.py", "--comfyui", comfyui, "--workflows", ROOT / "workflows", "--lock",
            lock, "--port", port, *more,
        )  # fmt: skip

    run.models, run.lock = models, lock
    return run


def test_a_comfyui_that_has_everything_passes(prove):
    done = prove(with_files(RECORDED), "--sets", "core,layered")
    assert (done.returncode, done.stderr) == (0, "")
    assert "10 graphs, 0 findings" in done.stdout


def test_a_set_or_a_volume_leaves_out_what_is_not_in_the_image(prove):
    flux = ("flux1-dev-fp8.safetensors",)
    assert prove(with_files(RECORDED, only=flux)).returncode == 0
    assert prove(with_files(RECORDED, only=flux), "--sets", "core,layered").returncode == 1
    assert prove(with_files(RECORDED, only=())).returncode == 1
    assert prove(with_files(RECORDED, only=()), "--models", "volume").returncode == 0


@pytest.mark.parametrize(
    "kind", ("BiRefNetRMBG", "DepthAnything_V2", "DownloadAndLoadDepthAnythingV2Model", "KSampler")
)
def test_a_node_that_vanished_is_named(prove, kind):
    info = with_files(RECORDED)
    del info[kind]
    done = prove(info)
    assert done.returncode == 1
    assert f"ComfyUI does not know {kind}" in done.stderr


def test_an_input_that_a_node_lost_and_a_choice_that_is_gone_are_named(prove):
    info = with_files(RECORDED)
    del info["BiRefNetRMBG"]["input"]["optional"]["mask_blur"]
    info["BiRefNetRMBG"]["input"]["required"]["model"][0].remove("BiRefNet-general")
    done = prove(info)
    assert "BiRefNetRMBG has no input mask_blur" in done.stderr
    assert "BiRefNetRMBG does not see BiRefNet-general" in done.stderr


def test_another_comfyui_than_the_lock_says_is_named(prove):
    done = prove(with_files(RECORDED), version="0.18.0")
    assert done.returncode == 1
    assert "ComfyUI 0.18.0" in done.stderr


def test_code_that_a_node_loads_with_its_first_job_is_imported(prove):
    (prove.models / "birefnet.py").write_text("import no_such_package\n")
    done = prove(with_files(RECORDED))
    assert done.returncode == 1
    assert "birefnet.py cannot be imported: ModuleNotFoundError: No module named 'no_such_package'" in done.stderr


def test_a_module_that_a_node_misses_only_with_a_job_is_named(prove):
    prove.lock.write_text(IMPORTS.sub('imports = ["json", "no_such_package"]', prove.lock.read_text()))
    done = prove(with_files(RECORDED))
    assert done.returncode == 1
    assert "ComfyUI-RMBG needs no_such_package, which cannot be imported: ModuleNotFoundError" in done.stderr


def test_a_comfyui_that_does_not_start_fails_the_build(prove):
    shutil.rmtree(prove.models)
    (prove.models.parents[2] / "main.py").write_text("raise SystemExit(3)\n")
    done = prove(with_files(RECORDED))
    assert done.returncode == 1
    assert "ComfyUI ended with 3" in done.stderr
