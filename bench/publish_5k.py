"""Publishing a pack of 5,000 assets again to a real S3 server: nothing changed, or one picture did. Limit: 3 s each.

    python bench/publish_5k.py          prints the figures; exit code 1 if the limit is broken

SeaweedFS runs on this machine, on loopback ports that are free. Publishing again is all that can happen to a store
at the end of a run: every file is offered (list, and write what is missing) or just the new one, the pack's own file
is made, and the index is published. The median of five counts. What writing 5,000 new files takes is told and not
limited: that is the server's pace more than ours.
"""

from __future__ import annotations

import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path

from assetmill.errors import StorageError
from assetmill.packs import NewBlob, PackAsset, PackIndex, keep_many, load_latest, publish
from assetmill.storage import S3Access, Store, open_store

ASSETS = 5000
RUNS = 5
LIMIT_S = 3.0
UP_WITHIN_S = 60
BUCKET = "assets"
KEY, SECRET = "made-up-key", "made-up-secret"
MOMENT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@contextmanager
def seaweedfs(folder: Path) -> Iterator[Store]:
    """A store on a server that ends with the block."""
    names = [f"{name}.port{more}" for name in ("s3", "master", "volume", "filer", "admin") for more in ("", ".grpc")]
    with ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in names]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        ports = dict(zip(names, (probe.getsockname()[1] for probe in probes), strict=True))
    command = [
        str(Path(sys.executable).with_name("weed")), "mini", f"-dir={folder}", f"-bucket={BUCKET}", "-ip=127.0.0.1",
        "-ip.bind=127.0.0.1", "-master.telemetry=false", "-webdav=false", "-admin.ui=false", "-s3.port.iceberg=0",
        "-s3.port.lance=0", *(f"-{name}={port}" for name, port in ports.items()),
    ]  # fmt: skip
    keys = {"AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET}
    quiet = subprocess.DEVNULL
    with subprocess.Popen(command, cwd=folder, env=os.environ | keys, stdout=quiet, stderr=quiet) as server:
        try:
            access = S3Access(f"http://127.0.0.1:{ports['s3.port']}", KEY, SECRET)
            yield _when_up(open_store(f"s3://{BUCKET}/bench", access))
        finally:
            server.kill()


def _when_up(store: Store) -> Store:
    """The store, once it takes objects."""
    for _ in range(UP_WITHIN_S):
        try:
            store.put("up", b"", content_type="text/plain")
        except StorageError:
            time.sleep(1)
        else:
            return store
    raise SystemExit("SeaweedFS did not come up")


def pictures(changed: int = 0) -> list[NewBlob]:
    """Small files that pass for pictures, the first ones differing from their usual selves."""
    return [
        NewBlob(b"\x89PNG\r\n\x1a\n" + f"picture {n}{' new' * (n < changed)}".encode() * 20, "png", "image/png")
        for n in range(ASSETS)
    ]


def pack_file(index: PackIndex) -> dict[str, bytes]:
    """A document of the whole pack, as engines load it."""
    return {"pack": "\n".join(f"{name} {asset.file}" for name, asset in sorted(index.assets.items())).encode()}


def republish(store: Store, all_of_them: list[NewBlob], new: list[NewBlob]) -> bool:
    """Write what is new, and publish; says whether anything had changed."""
    keep_many(store, new)
    assets = {f"asset_{n:05d}": entry(picture) for n, picture in enumerate(all_of_them)}
    base = load_latest(store, "bench", "main")
    index = PackIndex(game="bench", pack="bench", run_id="bench", created_at=MOMENT, assets=assets)
    done = publish(
        store, game="bench", channel="main", index=index, base=base, now=datetime.now(UTC), pack_files=pack_file
    )
    return done.changed


def entry(picture: NewBlob) -> PackAsset:
    """What the index says of a picture."""
    sha256 = Path(picture.key).stem
    return PackAsset(
        type="entity", file=picture.key, width=64, height=64, bytes=len(picture.data), sha256=sha256, draft=False,
        made_in_run="bench",
    )  # fmt: skip


def measure(name: str, work: Callable[[int], bool], *, changes: bool) -> bool:
    """Time the work and hold the median against the limit."""
    times = []
    right = True
    for number in range(RUNS):
        began = time.perf_counter()
        right &= work(number) is changes
        times.append(time.perf_counter() - began)
    median = statistics.median(times)
    good = right and median < LIMIT_S
    each = ", ".join(f"{seconds:.2f}" for seconds in times)
    wrong = "" if right else ", and NOT WHAT WAS EXPECTED"
    print(f"{name}: {median:.2f} s ({each}){wrong}  {'ok' if good else 'OVER THE LIMIT'}", flush=True)
    return good


def main() -> int:
    """Fill a store, and publish again and again."""
    with tempfile.TemporaryDirectory() as name, seaweedfs(Path(name)) as store:
        began = time.perf_counter()
        republish(store, pictures(), pictures())
        print(f"{ASSETS} new files, first publish: {time.perf_counter() - began:.1f} s", flush=True)
        offered = measure(
            "unchanged, every file offered", lambda _: republish(store, pictures(), pictures()), changes=False
        )
        unchanged = measure("unchanged", lambda _: republish(store, pictures(), []), changes=False)
        one_more = measure(
            "one more picture", lambda n: republish(store, pictures(n + 1), pictures(n + 1)[n : n + 1]), changes=True
        )
    return 0 if offered and unchanged and one_more else 1


if __name__ == "__main__":
    sys.exit(main())
