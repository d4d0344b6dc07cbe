"""Nothing gets into the image that is not what the lock names, to the byte."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

CONTENT = bytes(range(256)) * 400


@pytest.fixture
def fetch(step, lock_of, tmp_path):
    """Fetches models of a lock into a folder; its answer, and that folder."""
    into = tmp_path / "models"

    def run(models, *more: object):
        return step("fetch_models.py", "--lock", lock_of(models), "--into", into, "--pause", "0.01", *more), into

    return run


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_a_model_that_is_what_the_lock_names_is_put_where_it_belongs(hub, fetch):
    done, into = fetch([hub.model("/a.safetensors", CONTENT), hub.model("/b.bin", b"b", folder="RMBG/BiRefNet")])
    assert done.returncode == 0, done.stderr
    assert (into / "checkpoints" / "a.safetensors").read_bytes() == CONTENT
    assert files(into) == {"checkpoints/a.safetensors", "RMBG/BiRefNet/b.bin"}


@pytest.mark.parametrize("content", (CONTENT[:-1] + b"x", CONTENT + b"x", CONTENT[:-1]))
def test_other_bytes_are_not_kept(hub, fetch, content):
    model = hub.model("/a.safetensors", CONTENT)
    hub.files["/a.safetensors"] = content
    done, into = fetch([model])
    assert done.returncode == 1
    assert "a.safetensors" in done.stderr
    assert not (into / "checkpoints" / "a.safetensors").exists()


@pytest.mark.parametrize("checksum", ("unknown", "", "8e91"))
def test_a_model_without_checksum_ends_it_before_anything_is_fetched(hub, fetch, checksum):
    models = [hub.model("/a.bin", CONTENT), hub.model("/b.bin", b"b", sha256=checksum)]
    done, _ = fetch(models)
    assert done.returncode == 1
    assert "b.bin has no checksum" in done.stderr
    assert "assetmill worker-image lock" in done.stderr
    assert hub.asked == []


def test_a_broken_connection_goes_on_where_it_broke(hub, fetch):
    model = hub.model("/a.bin", CONTENT)
    hub.breaks["/a.bin"] = [1000, 2000]
    hub.failures["/a.bin"] = [503]
    done, into = fetch([model])
    assert done.returncode == 0, done.stderr
    assert (into / "checkpoints" / "a.bin").read_bytes() == CONTENT
    assert [headers.get("range") for _, headers in hub.asked] == [None, None, "bytes=1000-", "bytes=3000-"]


def test_what_is_there_already_is_checked_and_not_fetched_again(hub, fetch):
    model = hub.model("/a.bin", CONTENT)
    fetch([model])
    done, into = fetch([model])
    assert len(hub.asked) == 1
    assert "there already" in done.stdout
    (into / "checkpoints" / "a.bin").write_bytes(CONTENT[:-1] + b"x")
    fetch([model])
    assert (into / "checkpoints" / "a.bin").read_bytes() == CONTENT


def test_a_refusal_is_said_at_once(hub, fetch):
    done, _ = fetch([hub.model("/a.bin", CONTENT, url=hub.url + "/gone")])
    assert done.returncode == 1
    assert "404" in done.stderr
    assert len(hub.asked) == 1


def test_sets_and_places_choose(hub, fetch):
    models = [
        hub.model("/a.bin", b"a"),
        hub.model("/b.bin", b"b", place="image"),
        hub.model("/c.bin", b"c", set="layered"),
    ]
    assert files(fetch(models, "--place", "image")[1]) == {"checkpoints/b.bin"}
    assert files(fetch(models, "--sets", "layered")[1]) == {"checkpoints/b.bin", "checkpoints/c.bin"}
    assert files(fetch(models, "--sets", "core,layered")[1]) == {f"checkpoints/{name}.bin" for name in "abc"}
    assert fetch(models, "--sets", "other")[0].returncode == 1


def test_a_token_is_not_passed_on_to_where_the_hub_leads(hub, fetch, tmp_path):
    model = hub.model("/a.bin", CONTENT, url=hub.url + "/moved")
    hub.moved["/moved"] = hub.url.replace("127.0.0.1", "localhost") + "/a.bin"
    (tmp_path / "token").write_text("hf_made_up\n")
    done, _ = fetch([model], "--token-file", tmp_path / "token")
    assert done.returncode == 0, done.stderr
    assert [headers.get("authorization") for _, headers in hub.asked] == ["Bearer hf_made_up", None]
    assert "hf_made_up" not in done.stdout + done.stderr


def git(folder: Path, *words: str) -> str:
    command = ["git", "-C", str(folder), "-c", "user.name=t", "-c", "user.email=t@example.com", *words]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


@pytest.fixture
def pack(tmp_path):
    """A node pack of two commits: its address, and both."""
    folder = tmp_path / "pack"
    folder.mkdir()
    git(folder, "init", "--quiet")
    commits = []
    for text in ("old", "new"):
        (folder / "nodes.py").write_text(text)
        git(folder, "add", ".")
        git(folder, "commit", "--quiet", "--message", text)
        commits.append(git(folder, "rev-parse", "HEAD"))
    return folder.as_uri(), commits


def node(repository: str, commit: str) -> dict[str, str]:
    return {"name": "Pack", "folder": "pack", "repository": repository, "commit": commit}


def test_a_pack_is_there_at_its_commit_and_without_history(pack, step, lock_of, tmp_path):
    address, (old, _) = pack
    into = tmp_path / "custom_nodes"
    done = step("fetch_nodes.py", "--lock", lock_of(nodes=[node(address, old)]), "--into", into)
    assert done.returncode == 0, done.stderr
    assert (into / "pack" / "nodes.py").read_text() == "old"
    assert not (into / "pack" / ".git").exists()


@pytest.mark.parametrize("commit", ("main", "HEAD", "", "0" * 40))
def test_a_pack_without_its_commit_ends_it(pack, step, lock_of, tmp_path, commit):
    lock = lock_of(nodes=[node(pack[0], commit)])
    done = step("fetch_nodes.py", "--lock", lock, "--into", tmp_path / "custom_nodes")
    assert done.returncode == 1
    assert done.stderr.startswith("error: ")
