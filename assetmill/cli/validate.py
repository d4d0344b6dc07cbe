"""`validate`: what a manifest holds, or everything that is wrong with it. Loads the manifest room and nothing else."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console

from assetmill.cli.outcome import many, print_json
from assetmill.manifest import load_pack


def validate_manifest(manifest: Path, overrides: Mapping[str, Any], *, as_json: bool) -> int:
    """Read a manifest and say what it holds."""
    pack = load_pack(manifest, overrides)
    counts = Counter(asset.type for asset in pack.assets)
    if as_json:
        print_json({"manifest": str(manifest), "game": pack.game.id, "assets": len(pack.assets), "types": counts})
    else:
        kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(counts.items()))
        Console(highlight=False).print(
            f"{manifest}: {many(len(pack.assets), 'asset')} ({kinds}), no errors", soft_wrap=True
        )
    return 0
