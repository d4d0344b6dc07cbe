"""Planning 10,000 assets: limits are 3 s and 400 MB, drawing nothing: first time, unchanged re-run, and with history.

    python bench/plan_10k.py            prints the figures; exit code 1 if a limit is broken

The manifest is YAML with an included CSV and a matrix. For the re-run, the ledger holds a kept attempt and a
finish for every picture. With history, all of them are new at an endpoint that costs money, and the books hold 50,000
paid jobs of another game, from which times, costs and choices are worked out. Each measurement is a process of its own,
timed from the interpreter's start to its end, after one run that is not counted (it leaves the byte code behind, as any
first use does); the median of five counts. The processor's time is told beside: on a busy machine it says more.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ASSETS_CSV = 5000
SHAPES = ("box", "circle", "ellipse", "capsule")
COLOURS = [f"#{value:06x}" for value in range(0x100000, 0xF00000, 0x38000)][:50]
RUNS = 5
LIMIT_S = 3.0
LIMIT_MB = 400
ROOT = Path(__file__).resolve().parent.parent
PAID = {
    "IMAGE_GENERATION_PROVIDER": "runpod", "RUNPOD_API_KEY": "made-up", "RUNPOD_COMFYUI_ENDPOINT_ID": "abcdefghij12",
    "ASSETMILL_GPU_POOL": "ADA_24",
}  # fmt: skip

FILL = """
import sys
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from assetmill.batch.prepare import Request, plan_only
from assetmill.finishing import finish_fields
from assetmill.ledger import Finish, Intent, Ledger, Output, Run, Settlement, Status
from assetmill.ledger.tables import attempts, finishes
from assetmill.money import no_cost
from assetmill.settings import load_settings
settings = load_settings()
plan = plan_only(settings, Request(Path(sys.argv[1])))
game, now = plan.pack.game.id, datetime.now(UTC)
ledger = Ledger.open(settings.ledger_url)
ledger.begin_run(Run("r", game, plan.pack.pack.id, "m", "draft", "draft", True, now))
def book(number, item):
    made, attempt = item.made, f"{number:032x}"
    ledger.intend(Intent(attempt, "r", game, "p", item.asset.id, item.asset.type, item.candidate, 1,
        made.fingerprint, made.fields, "draft", "draft", "http://127.0.0.1:1/v2/draft", None, made.seed, made.workflow,
        "h", made.size[0], made.size[1], {"image": "x"}, Decimal(0), "draft", True, now))
    out = Output("image", f"blobs/00/{number:064x}.png", f"{number:064x}", 1, 1, 1)
    ledger.submitted(attempt, job_id=f"job-{number}", at=now)
    ledger.collected(attempt, outputs=(out,), at=now)
    ledger.settle(attempt, Settlement(Status.KEPT, now, no_cost("bench")))
    ledger.record_finish(Finish(attempt, item.finish_fingerprint, game, "r", (out,), None,
        finish_fields(item.asset, plan.pack), {"score": 1.0, "notes": [], "rejected": None}, now))
book(0, plan.items[0])  # one by the front door; the others are copies with what differs, all in one transaction
with ledger._database.write() as connection:
    row = dict(connection.execute(attempts.select()).mappings().one())
    done = dict(connection.execute(finishes.select()).mappings().one())
    from assetmill.ledger.codec import write_map
    rows, dones = [], []
    for number, item in enumerate(plan.items[1:], 1):
        new = {"attempt_id": f"{number:032x}", "job_id": f"job-{number}", "asset_id": item.asset.id,
            "candidate": item.candidate, "fingerprint": item.made.fingerprint, "inputs": write_map(item.made.fields)}
        rows.append(row | new)
        dones.append(done | {"attempt_id": new["attempt_id"], "finish_fingerprint": item.finish_fingerprint,
            "inputs": write_map(finish_fields(item.asset, plan.pack))})
    connection.execute(attempts.insert(), rows)
    connection.execute(finishes.insert(), dones)
ledger.close()
"""

EARN = """
import sys
from datetime import UTC, datetime, timedelta
from assetmill.ledger import Ledger
from assetmill.ledger.codec import write_map
from assetmill.ledger.tables import attempts
from assetmill.settings import load_settings
ledger, now = Ledger.open(load_settings().ledger_url), datetime.now(UTC)
with ledger._database.write() as connection:
    row = dict(connection.execute(attempts.select().limit(1)).mappings().one())
    paid = row | {"game": "other", "provider": "runpod", "endpoint": "runpod", "draft": False, "gpu": "ADA_24",
        "execution_ms": 5000, "queue_ms": 3000, "gap_ms": 900, "cold": False, "fingerprint": "f",
        "inputs": row["inputs"].replace("draft-1", "flux1-dev-fp8")}
    cold = {"cold": True, "start_ms": 20000, "gap_ms": None, "idle_ms": 5000, "execution_ms": 35000}
    connection.execute(attempts.insert(), [paid | {"attempt_id": f"p{n}", "job_id": f"paid-{n}",
        "settled_at": now + timedelta(seconds=n)} | (cold if n % 30 == 0 else {}) for n in range(50_000)])
ledger.close()
"""


def write_manifest(folder: Path) -> Path:
    """10,000 assets: half by CSV rows, half by a matrix of 100 x 50."""
    rows = ["id,type,prompt,shape,width,height,color,tags"]
    rows += [
        f"thing_{i:05d},entity,a small thing number {i},{SHAPES[i % 4]},{1 + i % 3},{1 + i % 2},{COLOURS[i % 50]},a|b"
        for i in range(ASSETS_CSV)
    ]
    (folder / "things.csv").write_text("\n".join(rows) + "\n")
    kinds = ", ".join(f"kind{i:03d}" for i in range(100))
    colours = ", ".join(f"tone{i:02d}" for i in range(50))
    manifest = folder / "big.yaml"
    manifest.write_text(
        "version: 1\ngame: {id: bench, title: Bench}\n"
        "pack: {id: default, name: Default, theme: 'a long journey over the hills', style: cartoon, seed: 7}\n"
        "defaults:\n  entity: {entity_type: item, post: {trim: true}}\ninclude: [things.csv]\nassets:\n"
        "  - id: gem_{kind}_{tone}\n    type: entity\n    prompt: 'a {tone} gem of {kind}'\n    shape: circle\n"
        f"    matrix:\n      axes:\n        kind: [{kinds}]\n        tone: [{colours}]\n"
    )
    return manifest


def warm_up(environment: dict[str, str]) -> None:
    """Run the program once on the example manifest."""
    command = [sys.executable, "-m", "assetmill.cli", "plan", "manifests/cloud-hop/cloud-hop.yaml", "--json"]
    subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, check=True)


def measure(name: str, manifest: Path, environment: dict[str, str], state: str) -> bool:
    """Plan in processes of their own and hold the median against the limits."""
    runs = [plan_once(manifest, environment) for _ in range(RUNS)]
    seconds = statistics.median(run[0] for run in runs)
    peak_mb, cpu = max(run[1] for run in runs), statistics.median(run[3] for run in runs)
    said = f"{2 * ASSETS_CSV} {state}"
    good = seconds < LIMIT_S and peak_mb < LIMIT_MB and all(said.encode() in run[2] for run in runs)
    each = ", ".join(f"{run[0]:.2f}" for run in runs)
    verdict = "ok" if good else "OVER THE LIMIT"
    print(f"{name}: {seconds:.2f} s ({each}), {cpu:.2f} s of CPU, {peak_mb:.0f} MB, says {said!r}  {verdict}")
    return good


def plan_once(manifest: Path, environment: dict[str, str]) -> tuple[float, float, bytes, float]:
    """Seconds, peak megabytes, output and CPU seconds of one `assetmill plan`."""
    command = [sys.executable, "-m", "assetmill.cli", "plan", str(manifest)]
    with tempfile.TemporaryFile() as out:
        began = time.perf_counter()
        child = subprocess.Popen(command, env=environment, cwd=ROOT, stdout=out)
        _, _, usage = os.wait4(child.pid, 0)
        seconds = time.perf_counter() - began
        child.returncode = 0  # waited for above
        out.seek(0)
        return seconds, usage.ru_maxrss / 1024, out.read(), usage.ru_utime + usage.ru_stime


def main() -> int:
    """Measure the plans."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        manifest = write_manifest(folder)
        inherited = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
        environment = inherited | {"ASSETMILL_HOME": str(folder / "out"), "IMAGE_GENERATION_PROVIDER": "draft"}
        warm_up(environment)
        first = measure("first plan", manifest, environment, "new")
        subprocess.run([sys.executable, "-c", FILL, str(manifest)], env=environment, cwd=ROOT, check=True)
        again = measure("unchanged", manifest, environment, "cached")
        subprocess.run([sys.executable, "-c", EARN], env=environment, cwd=ROOT, check=True)
        paid = measure("with history", manifest, environment | PAID, "new")
    return 0 if first and again and paid else 1


if __name__ == "__main__":
    sys.exit(main())
