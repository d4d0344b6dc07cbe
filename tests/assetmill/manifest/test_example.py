from __future__ import annotations

import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from assetmill.manifest import Pack, load_pack
from assetmill.manifest.models import Background, Entity, Parallax, Sheet, TitleHero

CLOUD_HOP = Path(__file__).parents[3] / "manifests" / "cloud-hop" / "cloud-hop.yaml"
ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def cloud_hop() -> Pack:
    return load_pack(CLOUD_HOP)


def test_the_example_shows_every_type_and_every_kind_of_sheet(cloud_hop: Pack) -> None:
    types = Counter(asset.type for asset in cloud_hop.assets)
    kinds = {asset.kind for asset in cloud_hop.assets if isinstance(asset, Sheet)}
    assert set(types) == {"entity", "background", "title_hero", "parallax", "sheet"}
    assert kinds == {"sprite", "tile", "variation", "ui_component"}
    assert 32 <= len(cloud_hop.assets) <= 40


def test_the_example_shows_the_features_of_manifests(cloud_hop: Pack) -> None:
    assets = cloud_hop.assets
    entities = [asset for asset in assets if isinstance(asset, Entity)]
    sheets = [asset for asset in assets if isinstance(asset, Sheet)]
    assert {"polygon", "capsule"} <= {entity.shape for entity in entities}
    assert any(asset.candidates == 2 for asset in assets)
    assert any(asset.references for asset in assets)
    assert any(sheet.autotile == "wang16" for sheet in sheets)
    assert {sheet.component for sheet in sheets if sheet.nine_slice} == {"button", "panel"}
    assert cloud_hop.pack.palette
    assert {style.base for style in cloud_hop.styles.values()} == {"cartoon", "pixel"}
    assert all(asset.method == "depth" for asset in assets if isinstance(asset, Parallax))


def test_the_example_stays_quick_to_draw(cloud_hop: Pack) -> None:
    for asset in cloud_hop.assets:
        if isinstance(asset, Entity):
            assert max(asset.silhouette.canvas) <= 512
        elif isinstance(asset, Background | TitleHero | Parallax):
            assert asset.width * asset.height <= 1344 * 768


def test_loading_imports_neither_pandas_nor_prefect() -> None:
    script = (
        "import sys; from pathlib import Path; from assetmill.manifest import load_pack; "
        f"load_pack(Path({str(CLOUD_HOP)!r})); "
        "print([name for name in ('pandas', 'prefect', 'numpy') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "[]"
