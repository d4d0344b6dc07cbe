"""Makes docs/images/cost-report.png: the top of the cost page, of a history of 4,000 attempts drawn from a seed.

    python bench/cost_screenshot.py               the picture of the documentation
    python bench/cost_screenshot.py --ledger URL --out FOLDER    a ledger of one's own: light, dark, phone, whole pages

It needs Chromium.
"""

from __future__ import annotations

import argparse
import importlib
import io
import shutil
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from PIL import Image
from playwright.sync_api import Browser, sync_playwright

from assetmill.ledger import Ledger
from assetmill.reports.render import rendered

ROOT = Path(__file__).resolve().parents[1]
IMAGE = ROOT / "docs" / "images" / "cost-report.png"
ROWS, DAYS, SEED = 4_000, 21, 4
MADE_AT = datetime(2026, 11, 1, 8, tzinfo=UTC)
COLOURS = 256
Scheme = Literal["light", "dark"]
SCREENS: tuple[tuple[Scheme, int], ...] = (("light", 1280), ("dark", 1280), ("light", 390), ("dark", 390))


def main() -> None:
    """Make the picture, or those of a ledger."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--ledger", help="URL of a ledger; without it, one is made up")
    parser.add_argument("--out", type=Path, help="folder for pictures of the whole page")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="assetmill-shot-") as folder, sync_playwright() as playwright:
        page = Path(folder) / "cost.html"
        page.write_bytes(page_of(given.ledger) if given.ledger else made_up(Path(folder)))
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium") or shutil.which("chromium-browser"), args=["--no-sandbox"]
        )
        if given.out:
            given.out.mkdir(parents=True, exist_ok=True)
            for scheme, width in SCREENS:
                save(taken(browser, page, scheme, width, whole=True), given.out / f"cost-{scheme}-{width}.png")
        else:
            save(taken(browser, page, "dark", 1280), IMAGE)
        browser.close()


def page_of(url: str) -> bytes:
    """The cost page of a ledger."""
    with Ledger.open(url) as ledger:
        return rendered(ledger, ("day",), "html", made_at=MADE_AT)


def made_up(folder: Path) -> bytes:
    """The cost page of a history drawn from the seed."""
    sys.path.append(str(ROOT / "tests" / "money"))
    url = f"sqlite:///{folder}/ledger.db"
    with Ledger.open(url) as ledger:
        importlib.import_module("history").fill(ledger, ROWS, SEED, days=DAYS)
    return page_of(url)


def taken(browser: Browser, page: Path, scheme: Scheme, width: int, *, whole: bool = False) -> bytes:
    """What is seen of a page."""
    shown = browser.new_page(viewport={"width": width, "height": 1000}, color_scheme=scheme)
    shown.goto(page.as_uri())
    picture = shown.screenshot(full_page=whole)
    shown.close()
    return picture


def save(data: bytes, path: Path) -> None:
    """Save a screenshot with few colours, which is enough for a page and a fraction of the size."""
    with Image.open(io.BytesIO(data)) as shot:
        few = shot.convert("RGB").quantize(COLOURS, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    few.save(path, optimize=True)
    print(f"{path}: {path.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
