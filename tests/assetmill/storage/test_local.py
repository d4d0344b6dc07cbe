"""What a folder has to bear beside the contract: kills, full disks, odd neighbours."""

import errno
import hashlib
import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from assetmill.errors import Conflict, StorageError, StoreFull
from assetmill.storage import FileStore

BIN = "application/octet-stream"
BIG = 32 * 1024 * 1024  # takes long enough to write that a kill can hit it
ROOT = Path(__file__).parents[3]
WRITER = ROOT / "tests" / "fixtures" / "storage" / "writer.py"


class TroubledStore(FileStore):
    """Writes half of the bytes and then meets the trouble it was given."""

    def __init__(self, root: Path, trouble: int) -> None:
        super().__init__(root)
        self.trouble = trouble

    def _fill(self, path: Path, data: bytes) -> None:
        path.write_bytes(data[: len(data) // 2])
        raise OSError(self.trouble, os.strerror(self.trouble))


class WatchedStore(FileStore):
    """Notes what stood under a key when its lock was taken and when it was given back."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.seen: list[tuple[bytes | None, bytes | None]] = []

    @contextmanager
    def _locked(self, key: str) -> Iterator[None]:
        path = self.root / key
        with super()._locked(key):
            before = path.read_bytes() if path.exists() else None
            yield
            self.seen.append((before, path.read_bytes() if path.exists() else None))


def sizes_under(folder: Path) -> list[int]:
    """Sizes of all files, hidden ones too; one that is moved while we look is left out."""
    sizes = []
    for path in folder.iterdir():
        with suppress(FileNotFoundError):
            sizes.append(path.stat().st_size)
    return sizes


def files_under(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.is_file() and ".locks" not in path.parts)


def kill_a_writer_in_mid_write(store: FileStore, method: str) -> None:
    """Start a writer, wait until one of its files is partly there, and kill it at once."""
    with subprocess.Popen(
        [sys.executable, str(WRITER), store.url, method, str(BIG)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline(), "the writer ended by itself"
        while not any(0 < size < BIG for size in sizes_under(store.root / "made")):
            assert writer.poll() is None
        writer.kill()


@pytest.mark.parametrize("method", ("put", "create", "swap"))
def test_a_killed_writer_leaves_only_whole_objects(folder_store: FileStore, method: str) -> None:
    for _ in range(20):
        kill_a_writer_in_mid_write(folder_store, method)
        cut = any(size < BIG for size in sizes_under(folder_store.root / "made"))
        listed = list(folder_store.list())
        assert listed
        for info in listed:
            data = folder_store.get(info.key)
            assert len(data) == info.size == BIG
            assert hashlib.sha256(data[64:]).hexdigest().encode() == data[:64]
        shutil.rmtree(folder_store.root)
        if cut:
            return
    pytest.fail("no kill hit a write")


def test_a_lock_dies_with_its_holder(folder_store: FileStore) -> None:
    code = (
        "import sys; from assetmill.storage import open_store; store = open_store(sys.argv[1])\n"
        "with store._locked('k'): print('held', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, folder_store.url], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        holder.kill()
    assert folder_store.put("k", b"x", content_type=BIN)


def test_every_change_that_a_swap_must_not_miss_happens_under_the_lock(tmp_path: Path) -> None:
    store = WatchedStore(tmp_path)
    etag = store.put("k", b"put", content_type=BIN)
    store.swap("k", b"swapped", etag=etag, content_type=BIN)
    store.delete("k")
    assert store.seen == [(None, b"put"), (b"put", b"swapped"), (b"swapped", None)]


@pytest.mark.parametrize("method", ("put", "create", "swap"))
def test_a_write_that_fails_half_way_changes_and_leaves_nothing(tmp_path: Path, method: str) -> None:
    store = FileStore(tmp_path)
    etag = store.put("a/k", b"old", content_type=BIN)
    troubled = TroubledStore(tmp_path, errno.ENOSPC)
    extra = {"etag": etag} if method == "swap" else {}
    key = "a/new" if method == "create" else "a/k"
    with pytest.raises(StoreFull, match="No space left") as caught:
        getattr(troubled, method)(key, b"new" * 99, content_type=BIN, **extra)
    assert "free some space" in caught.value.hint
    assert caught.value.exit_code == 5
    assert files_under(tmp_path) == ["k"]
    assert store.get("a/k") == b"old"


def test_a_file_that_the_system_refuses_to_grow_is_reported(tmp_path: Path) -> None:
    store = FileStore(tmp_path)
    store.put("k", b"old", content_type=BIN)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, hard))
    try:
        with pytest.raises(StorageError, match="k: File too large"):
            store.put("k", b"n" * 50_000, content_type=BIN)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert files_under(tmp_path) == ["k"]
    assert store.get("k") == b"old"


@pytest.mark.parametrize(
    ("number", "kind", "hint"),
    (
        (errno.EACCES, StorageError, "permissions"),
        (errno.EROFS, StorageError, "read-only"),
        (errno.EDQUOT, StoreFull, "quota"),
    ),
)
def test_the_hint_says_what_to_do(tmp_path: Path, number: int, kind: type[StorageError], hint: str) -> None:
    with pytest.raises(StorageError) as caught:
        TroubledStore(tmp_path, number).put("k", b"data", content_type=BIN)
    assert hint in caught.value.hint
    assert type(caught.value) is kind


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_may_not_be_written_is_reported(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(StorageError, match="Permission denied"):
        FileStore(tmp_path).put("k", b"data", content_type=BIN)
    tmp_path.chmod(0o700)


def test_a_file_in_place_of_the_folder_is_reported(tmp_path: Path) -> None:
    root = tmp_path / "store"
    root.write_text("not a folder")
    with pytest.raises(StorageError, match="in the way of a folder"):
        FileStore(root).put("a/k", b"x", content_type=BIN)
    with pytest.raises(StorageError):
        FileStore(root / "deeper").create("k", b"x", content_type=BIN)


def test_no_key_may_continue_another(folder_store: FileStore) -> None:
    folder_store.put("a/b", b"x", content_type=BIN)
    for key in ("a", "a/b/c"):
        for method in ("put", "create"):
            with pytest.raises(StorageError, match="in the way") as caught:
                getattr(folder_store, method)(key, b"y", content_type=BIN)
            assert not isinstance(caught.value, Conflict)
    assert files_under(folder_store.root) == ["b"]


def test_files_that_are_not_ours_are_not_listed(folder_store: FileStore) -> None:
    folder_store.put("a/k", b"x", content_type=BIN)
    for name in (".DS_Store", ".0f.part", "my notes.txt", "ä.png"):
        (folder_store.root / "a" / name).write_text("foreign")
    (folder_store.root / ".hidden").mkdir()
    (folder_store.root / ".hidden" / "k").write_text("foreign")
    (folder_store.root / "link").symlink_to(folder_store.root)
    assert [info.key for info in folder_store.list()] == ["a/k"]


def test_a_list_is_in_the_order_of_its_keys(folder_store: FileStore) -> None:
    keys = ["a/b", "a-b", "a.b", "a0", "a/c/d", "B", "_", "a/c-d"]
    for key in keys:
        folder_store.put(key, b"x", content_type=BIN)
    assert [info.key for info in folder_store.list()] == sorted(keys)


def test_opening_and_reading_make_no_folder(tmp_path: Path) -> None:
    store = FileStore(tmp_path / "deep" / "store")
    assert list(store.list()) == []
    assert store.head("k") is None
    store.delete("k")
    assert list(tmp_path.iterdir()) == []


def test_files_get_the_permissions_of_ordinary_files(folder_store: FileStore) -> None:
    """A web server under another account has to be able to read them."""
    folder_store.put("k", b"x", content_type=BIN)
    ordinary = folder_store.root / ".ordinary"
    ordinary.write_bytes(b"x")
    assert (folder_store.root / "k").stat().st_mode == ordinary.stat().st_mode


def test_a_relative_folder_is_refused() -> None:
    with pytest.raises(StorageError, match="relative"):
        FileStore(Path("out/store"))


def test_the_public_url_opens_the_file(folder_store: FileStore) -> None:
    folder_store.put("a/k.txt", b"seen", content_type="text/plain")
    url = folder_store.public_url("a/k.txt")
    assert url == f"{folder_store.url}/a/k.txt"
    assert "folder%20store" in url
