from __future__ import annotations

import copy
import json
import socket
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from assetmill.errors import AssetmillError, NotDelivered, ProviderRefused, UsageError
from assetmill.workflows import Code, Library
from assetmill.workflows.live import fetch_object_info, lint_against, read_object_info, without_files

VERSIONS = ("0.3.77", "0.8.0", "0.17.0", "0.25.1")
MODELS = {
    ("CheckpointLoaderSimple", "ckpt_name"): ["flux1-dev-fp8.safetensors"],
    ("LoadImage", "image"): ["example.png"],
    ("UNETLoader", "unet_name"): ["qwen_image_layered_fp8mixed.safetensors"],
    ("CLIPLoader", "clip_name"): ["qwen_2.5_vl_7b_fp8_scaled.safetensors"],
    ("VAELoader", "vae_name"): ["qwen_image_layered_vae.safetensors"],
}
ObjectInfo = dict[str, Any]


class ComfyStandIn(ThreadingHTTPServer):
    """Answers every GET with what it was told, and remembers the paths."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.status, self.body, self.paths = 200, b"{}", list[str]()
        self.url = f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    server: ComfyStandIn

    def do_GET(self) -> None:
        self.server.paths.append(self.path)
        self.send_response(self.server.status)
        self.send_header("Content-Length", str(len(self.server.body)))
        self.end_headers()
        self.wfile.write(self.server.body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  the standard library's name
        """Keep the tests' output clean."""


@pytest.fixture
def comfy() -> Iterator[ComfyStandIn]:
    with ComfyStandIn() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(trust_env=False) as opened:
        yield opened


@pytest.fixture
def machine(object_infos: dict[str, ObjectInfo]) -> Callable[[str], ObjectInfo]:
    """A recorded version with the model files that our graphs name."""

    def made(version: str) -> ObjectInfo:
        info = copy.deepcopy(object_infos[version])
        for (node, name), files in MODELS.items():
            info[node]["input"]["required"][name][0] = files
        return info

    return made


@pytest.mark.parametrize("version", VERSIONS)
async def test_the_workflows_run_on_every_recorded_version(
    library: Library,
    comfy: ComfyStandIn,
    client: httpx.AsyncClient,
    machine: Callable[[str], ObjectInfo],
    version: str,
) -> None:
    comfy.body = json.dumps(machine(version)).encode()
    found = lint_against(library, await fetch_object_info(comfy.url, client))
    too_new = {("parallax-decompose", "70")} if version == "0.3.77" else set()  # Qwen-Image-Layered came later
    assert {(finding.workflow, finding.node) for finding in found} == too_new
    assert comfy.paths == ["/object_info"]


@pytest.mark.parametrize("path", ("/", "/proxy", "/proxy/", "/object_info", "/?a=b"))
async def test_the_address_may_be_written_in_any_usual_way(
    comfy: ComfyStandIn, client: httpx.AsyncClient, machine: Callable[[str], ObjectInfo], path: str
) -> None:
    comfy.body = json.dumps(machine("0.25.1")).encode()
    await fetch_object_info(comfy.url + path, client)
    assert comfy.paths == ["/proxy/object_info" if "proxy" in path else "/object_info"]


def test_a_custom_node_that_did_not_load_is_found(library: Library, machine: Callable[[str], ObjectInfo]) -> None:
    info = machine("0.25.1")
    del info["BiRefNetRMBG"]
    found = lint_against(library, info)
    assert {(finding.code, finding.workflow) for finding in found} == {
        (Code.UNKNOWN_NODE, name) for name in ("entity", "title-hero", "sheet", "parallax-layers", "remove-background")
    }


@pytest.mark.parametrize("spelling", ("list", "combo"))
def test_a_model_file_that_is_not_there_is_found(
    library: Library, machine: Callable[[str], ObjectInfo], spelling: str
) -> None:
    info = machine("0.25.1")
    files = ["sdxl.safetensors"]
    entry = [files] if spelling == "list" else ["COMBO", {"options": files}]
    info["CheckpointLoaderSimple"]["input"]["required"]["ckpt_name"] = entry
    found = lint_against(library, info)
    assert {finding.code for finding in found} == {Code.MODEL_MISSING}
    assert len(found) == 9
    assert "known: sdxl.safetensors" in found[0].message


def test_no_model_file_at_all_is_found(library: Library, machine: Callable[[str], ObjectInfo]) -> None:
    info = machine("0.3.77")
    info["CheckpointLoaderSimple"]["input"]["required"]["ckpt_name"] = [[]]
    assert "there are none" in lint_against(library, info)[0].message


def test_an_older_background_remover_without_sensitivity_is_fine(
    library: Library, machine: Callable[[str], ObjectInfo]
) -> None:
    """It ignores the input; newer ones fail without it."""
    info = machine("0.17.0")
    del info["BiRefNetRMBG"]["input"]["optional"]["sensitivity"]
    assert lint_against(library, info) == ()


def test_a_required_input_that_our_graphs_do_not_send_is_found(
    library: Library, machine: Callable[[str], ObjectInfo]
) -> None:
    info = machine("0.25.1")
    info["KSampler"]["input"]["required"]["noise_kind"] = [["gaussian"], {}]
    found = lint_against(library, info)
    assert {(finding.code, finding.input) for finding in found} == {(Code.MISSING_INPUT, "noise_kind")}


def test_an_input_that_was_renamed_is_found(library: Library, machine: Callable[[str], ObjectInfo]) -> None:
    info = machine("0.25.1")
    required = info["VAEDecode"]["input"]["required"]
    required["latent"] = required.pop("samples")
    codes = {(finding.code, finding.input) for finding in lint_against(library, info)}
    assert codes == {(Code.MISSING_INPUT, "latent"), (Code.EXTRA_INPUT, "samples")}


async def test_nobody_at_the_address_may_be_tried_again(client: httpx.AsyncClient) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with pytest.raises(NotDelivered, match="ConnectError"):
        await fetch_object_info(f"http://127.0.0.1:{port}", client)


@pytest.mark.parametrize(
    ("answer", "error", "words"),
    (
        ((500, b""), NotDelivered, "answers 500"),
        ((503, b"<html>"), NotDelivered, "answers 503"),
        ((401, b""), ProviderRefused, "answers 401"),
        ((404, b""), ProviderRefused, "answers 404"),
        ((302, b""), ProviderRefused, "answers 302"),
        ((200, b"<html>hello</html>"), ProviderRefused, "no ComfyUI node list"),
        ((200, b"\xff\xfe\x00"), ProviderRefused, "no ComfyUI node list"),
        ((200, b"[]"), ProviderRefused, "no ComfyUI node list"),
        ((200, b"{}"), ProviderRefused, "no ComfyUI node list"),
        ((200, b'{"status": "ok"}'), ProviderRefused, "no ComfyUI node list"),
        ((200, b'{"KSampler": {"input": null}}'), ProviderRefused, "no ComfyUI node list"),
        ((200, b"[" * 100_000), ProviderRefused, "no ComfyUI node list"),
    ),
)
async def test_an_answer_that_is_no_node_list_is_a_typed_error(
    comfy: ComfyStandIn, client: httpx.AsyncClient, answer: tuple[int, bytes], error: type[AssetmillError], words: str
) -> None:
    comfy.status, comfy.body = answer
    with pytest.raises(error, match=words) as caught:
        await fetch_object_info(comfy.url, client)
    assert caught.value.hint


@pytest.mark.parametrize("url", ("", "localhost:8188", "ftp://host", "http://", "http://[::1", "file:///etc/passwd"))
async def test_an_address_that_is_none_is_a_usage_error(client: httpx.AsyncClient, url: str) -> None:
    with pytest.raises(UsageError):
        await fetch_object_info(url, client)


async def test_a_password_in_the_address_is_not_shown(comfy: ComfyStandIn, client: httpx.AsyncClient) -> None:
    comfy.status = 401
    with pytest.raises(ProviderRefused) as caught:
        await fetch_object_info(comfy.url.replace("//", "//ann:s3cret@"), client)
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("encoding", ("utf-8", "utf-8-sig", "utf-16"))
def test_a_saved_answer_says_the_same_as_the_machine(
    library: Library, machine: Callable[[str], ObjectInfo], tmp_path: Path, encoding: str
) -> None:
    """Some shells write what a command prints as UTF-16."""
    info = machine("0.25.1")
    del info["BiRefNetRMBG"]
    saved = tmp_path / "new.json"
    saved.write_text(json.dumps(info), encoding=encoding)
    assert lint_against(library, read_object_info(saved)) == lint_against(library, info) != ()


@pytest.mark.parametrize(
    ("content", "words"),
    (
        (b"", "is no JSON"),
        (b"<html>", "is no JSON"),
        (b"\xff\xfe\x00", "is no JSON"),
        (b"[" * 100_000, "is no JSON"),
        (b"{}", "no ComfyUI node list"),
        (b"[1]", "no ComfyUI node list"),
        (b'{"KSampler": {"input": []}}', "no ComfyUI node list"),
        (b'{"prompt": {"class_type": "KSampler", "inputs": {}}}', "no ComfyUI node list"),
    ),
)
def test_a_file_that_is_no_node_list_is_a_wrong_call(tmp_path: Path, content: bytes, words: str) -> None:
    saved = tmp_path / "new.json"
    saved.write_bytes(content)
    with pytest.raises(UsageError, match=words) as caught:
        read_object_info(saved)
    assert "object_info" in caught.value.hint


def test_a_file_that_is_not_there_is_a_wrong_call(tmp_path: Path) -> None:
    for path in (tmp_path / "none.json", tmp_path):
        with pytest.raises(UsageError, match="cannot read"):
            read_object_info(path)


def test_model_files_may_be_left_out_but_not_models_that_a_node_chooses_from_its_own_list(
    library: Library, machine: Callable[[str], ObjectInfo]
) -> None:
    info = machine("0.25.1")
    info["CheckpointLoaderSimple"]["input"]["required"]["ckpt_name"][0] = []
    info["BiRefNetRMBG"]["input"]["required"]["model"][0] = ["BiRefNet-renamed"]
    found = lint_against(library, info)
    kept = without_files(library, found)
    assert {finding.input for finding in found} == {"ckpt_name", "model"}
    assert {finding.input for finding in kept} == {"model"}
