"""One static page a run, so that an artist can judge a batch without any tool but a browser.

The page lies beside the pack at `packs/<game>/gallery/<run_id>.html` and is opened from disk as often
as from a web server. So it must never load anything but the pack's own images by relative path: styles,
scripts and sheet metadata are part of the file. Everything shown is data, prompts and error texts
included; none of it may ever become markup or script. Rendering reads no clock: the same page value
gives the same bytes.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

from jinja2 import Environment, StrictUndefined

from assetmill.errors import UsageError
from assetmill.reports.inlined import csp_source, inline_script, resource, script_json

State = Literal["new", "cached", "refinished", "failed", "blocked"]
STATES: tuple[State, ...] = get_args(State)
PROBLEM_STATES: tuple[State, ...] = ("failed", "blocked")

# Pictures up to this side are shown with hard pixel edges when a card enlarges them.
SMALL_SIDE_PX = 160
ALT_CHARS = 160

_SCRIPTS = ("gallery_stage.js", "gallery.js")
_RELATIVE_HREF = re.compile(r"(?!/)(?!.*//)[A-Za-z0-9._/-]+")
_AMOUNT = re.compile(r"\d+(?:\.\d+)?")


@dataclass(frozen=True, slots=True)
class GalleryLayer:
    """One parallax layer, in the order in which the layers are stacked (farthest first).

    Attributes:
        id: name of the layer.
        href: relative path of its picture.
        scroll_factor: speed relative to the camera, 0 stands still.
        opaque: whether nothing shows through.
    """

    id: str
    href: str
    scroll_factor: float
    opaque: bool


@dataclass(frozen=True, slots=True)
class GalleryItem:
    """One asset of the run as the page shows it.

    Attributes:
        asset_id: id in the manifest.
        type: asset type.
        state: what this run did with it.
        href: relative path of the published picture; None if there is none.
        width: picture width in px.
        height: picture height in px.
        prompt: the words that were asked.
        seed: seed of the picture shown; None if it has none.
        cost_usd: amount as text ("$0.0053"), "unknown", or None when this run paid nothing for it.
        latency_s: seconds from submission to result; None if nothing was submitted.
        draft: placeholder art, not a model's picture.
        tags: free words of the manifest.
        note: error text of a failed or blocked asset, else quality notes.
        sheet: canonical AssetSheet metadata, plain JSON values; None for other types.
        layers: parallax layers, farthest first.
        endless: the layers' left and right edges join.
        candidates: relative paths of all pictures that were made to choose from.
        attempt_id: the ledger's id of the attempt that made the picture.
    """

    asset_id: str
    type: str
    state: State
    href: str | None
    width: int
    height: int
    prompt: str
    seed: int | None
    cost_usd: str | None
    latency_s: float | None
    draft: bool
    tags: tuple[str, ...] = ()
    note: str = ""
    sheet: Mapping[str, Any] | None = None
    layers: tuple[GalleryLayer, ...] = ()
    endless: bool = False
    candidates: tuple[str, ...] = ()
    attempt_id: str | None = None


@dataclass(frozen=True, slots=True)
class GalleryPage:
    """The whole page.

    Attributes:
        title: heading.
        game: title of the game.
        pack: name of the pack.
        run_id: id of the run.
        created_at: time of the run as text, shown as it is.
        endpoint: who made the pictures.
        totals: figures of the run, label to text, in the order shown.
        items: assets, in the order of the manifest.
    """

    title: str
    game: str
    pack: str
    run_id: str
    created_at: str
    endpoint: str
    totals: Mapping[str, str]
    items: tuple[GalleryItem, ...]


def render_gallery(page: GalleryPage) -> str:
    """The page as one HTML document that needs nothing but the pictures it points at.

    Raises:
        UsageError: a picture's path is not a plain relative one, so the page would not open from disk.
    """
    for item in page.items:
        _require_relative(item)
    script = inline_script(_SCRIPTS)
    style = resource("gallery.css")
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    html = environment.from_string(resource("gallery.html.j2")).render(
        page=page,
        cards=[_card(item) for item in page.items],
        types=_counts((item.type for item in page.items), ()),
        states=_counts((item.state for item in page.items), STATES),
        drafts=sum(item.draft for item in page.items),
        problems=sum(item.state in PROBLEM_STATES for item in page.items),
        data=script_json([_record(item) for item in page.items]),
        script=script,
        style=style,
        script_source=csp_source(script),
        style_source=csp_source(style),
    )
    # Half a surrogate pair (a worker's error text cut short) has no UTF-8 form and would break the upload.
    return html.encode("utf-8", "replace").decode("utf-8")


def _require_relative(item: GalleryItem) -> None:
    hrefs = (item.href, *item.candidates, *(layer.href for layer in item.layers))
    for href in hrefs:
        if href is not None and not _RELATIVE_HREF.fullmatch(href):
            raise UsageError(
                f"gallery picture of {item.asset_id!r} has the path {href!r}",
                hint="give a path relative to the page, such as ../../../blobs/ab/abcd.png",
            )


def _record(item: GalleryItem) -> dict[str, Any]:
    """What the page's script knows of an item."""
    record = {name: getattr(item, name) for name in GalleryItem.__slots__}
    return record | {
        "sheet": None if item.sheet is None else dict(item.sheet),
        "layers": [asdict(layer) for layer in item.layers],
        "label": _type_label(item),
        "cost": _amount(item.cost_usd),
        "cost_text": _cost_text(item),
        "latency_text": _latency_text(item.latency_s),
    }


def _card(item: GalleryItem) -> dict[str, Any]:
    """What the template shows of an item without any script."""
    words = " ".join(item.prompt.split())
    return {
        "item": item,
        "label": _type_label(item),
        "size": f"{item.width} x {item.height}" if item.width and item.height else "",
        "small": 0 < max(item.width, item.height) <= SMALL_SIDE_PX,
        "cost": _cost_text(item),
        "latency": _latency_text(item.latency_s),
        "alt": f"{item.asset_id}: {words[:ALT_CHARS]}",
        "animated": bool(item.sheet and item.sheet.get("animations")),
        "split": "wide" if item.width > item.height else "tall",
        "problem": item.state in PROBLEM_STATES,
    }


def _counts(values: Iterable[str], order: tuple[str, ...]) -> list[tuple[str, int]]:
    """Values with their counts: in the given order if there is one, else as they first appear."""
    found = Counter(values)
    return [(value, found[value]) for value in order or found if found[value]]


def _type_label(item: GalleryItem) -> str:
    kind = item.sheet.get("kind") if item.sheet else None
    return f"{item.type} · {kind}" if isinstance(kind, str) else item.type


def _amount(cost_usd: str | None) -> float | None:
    """Number in a cost text, for sorting only; None when there is none, which is not the same as 0."""
    found = _AMOUNT.search((cost_usd or "").replace(",", ""))
    return float(found.group()) if found else None


def _cost_text(item: GalleryItem) -> str:
    if item.cost_usd is not None:
        return item.cost_usd if _amount(item.cost_usd) is not None else f"cost {item.cost_usd}"
    return "no new cost" if item.state in ("cached", "refinished") else ""


def _latency_text(latency_s: float | None) -> str:
    if latency_s is None:
        return ""
    minutes, seconds = divmod(round(latency_s), 60)
    return f"{minutes} min {seconds:02d} s" if minutes else f"{latency_s:.1f} s"
