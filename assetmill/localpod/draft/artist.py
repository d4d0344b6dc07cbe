"""Decides what a sampler's drawing is: a subject, a sheet, tiles, a title, a scene or its layer, a filled hole.

The decision comes from what is at hand: where the sampler starts, whether its result is cut out, and what
the words say. It never reads node ids, roles or file names.
"""

from __future__ import annotations

from dataclasses import replace

from PIL import Image, ImageChops, ImageDraw, ImageFilter

from assetmill.localpod.draft import lettering
from assetmill.localpod.draft.casting import cast, is_figure, phrases
from assetmill.localpod.draft.cells import Cell, Guide, read_guide
from assetmill.localpod.draft.entity import Subject, draw_subject
from assetmill.localpod.draft.forms import Box, Part, moved, paint
from assetmill.localpod.draft.grounds import MATERIALS, Piece, corner_tile, ground, materials_of
from assetmill.localpod.draft.kinds import Pose
from assetmill.localpod.draft.palette import Palette, palette_of, stands_alone, word_set, words_of
from assetmill.localpod.draft.pixels import Rgb, noise, rng_of
from assetmill.localpod.draft.planes import around, draw_layer
from assetmill.localpod.draft.relief import finish_of
from assetmill.localpod.draft.scenery import paint_scene
from assetmill.localpod.draft.values import Brief, Picture
from assetmill.localpod.draft.wording import Wording, read

_PAPER: Rgb = (236, 234, 228)
_INNER = word_set("fill inner inside underground deep center centre middle body")
_SAME_FIGURE = 60  # frames whose guide colours differ less than this show one figure


def draw(brief: Brief) -> Picture:
    """The picture that a sampler's brief asks for, of the latent's size."""
    source = brief.latent.source
    if source is not None and brief.latent.hole is not None:
        return _filled(brief, source)
    wording = read(brief.prompt)
    if source is not None:
        return _redrawn(brief, wording, source)
    if wording.layer is not None:
        return _layer(brief, wording, wording.layer)
    if wording.title is not None:
        return _titled(brief, wording, wording.title)
    if brief.cut_out or stands_alone(brief.prompt):
        return _alone(brief, wording)
    return _scene(brief, wording)


def _scene(brief: Brief, wording: Wording) -> Picture:
    scene = paint_scene(wording, brief.latent.size, brief.seed)
    return Picture(scene.image, depth=scene.depth, behind=scene.behind, marked=not brief.layered)


def _layer(brief: Brief, wording: Wording, depth: float) -> Picture:
    """One layer of a backdrop; on paper, if it is to be cut out."""
    layer = draw_layer(wording, depth, brief.latent.size, brief.seed)
    if layer.matte is None or layer.fore is None:
        return layer
    image = Image.new("RGB", brief.latent.size, _PAPER)
    image.paste(layer.fore, mask=layer.matte)
    return replace(layer, image=image)


def _titled(brief: Brief, wording: Wording, title: str) -> Picture:
    size = brief.latent.size
    palette = palette_of(f"{wording.subject.replace(title, ' ')} {wording.world}")
    art = lettering.letter(title, size, palette, finish_of(wording.whole), brief.seed)
    gleams = lettering.sparkles(size, brief.seed, art.getbbox() or (0, 0, *size))
    matte = ImageChops.lighter(art.getchannel("A"), gleams)
    fore = art.convert("RGB")
    fore.paste((255, 250, 220), mask=gleams)
    image = Image.new("RGB", size, _PAPER) if brief.cut_out else _scene(brief, wording).image
    image.paste(fore, mask=matte)
    return Picture(image, matte=matte, fore=fore, marked=not brief.cut_out)


def _alone(brief: Brief, wording: Wording) -> Picture:
    """A subject without a guide: as large as guides usually are."""
    width, height = brief.latent.size
    side = round(min(width, height) * 0.84)
    silhouette = Image.new("L", (side, side))
    ImageDraw.Draw(silhouette).ellipse((0, 0, side - 1, side - 1), fill=255)
    art = draw_subject(
        Subject(wording.subject, brief.seed, role=wording.role, finish=finish_of(wording.whole)), silhouette
    )
    stage = _Stage(Image.new("RGB", (width, height), _PAPER))
    stage.put(art, ((width - side) // 2, (height - side) // 2))
    return Picture(stage.image, matte=stage.matte, fore=stage.fore, marked=not brief.cut_out)


def _redrawn(brief: Brief, wording: Wording, source: Picture) -> Picture:
    """Image to image: every shape of the guide becomes its subject, in its place."""
    guide_image = source.image.convert("RGB")
    guide = read_guide(guide_image)
    canvas = (
        guide_image.filter(ImageFilter.GaussianBlur(1))
        if guide.ground is None
        else Image.new("RGB", guide_image.size, guide.ground)
    )
    stage = _Stage(canvas)
    tiles = not brief.cut_out and (wording.tiles or guide.ground is None or all(cell.square for cell in guide.cells))
    painter = _Painter(brief, wording, guide, guide_image.size, tiles=tiles)
    for place, cell in enumerate(guide.cells):
        stage.put(painter.cell(place, cell), cell.box[:2])
    kept = 1 - min(1.0, max(0.0, (brief.denoise - 0.15) / 0.5))
    if not kept:
        return Picture(stage.image, matte=stage.matte, fore=stage.fore)
    blended = (Image.blend(plane, guide_image, kept) for plane in (stage.image, stage.fore))
    return Picture(next(blended), matte=stage.matte, fore=next(blended))


class _Stage:
    """A picture while subjects are put on it, and at the same time their matte and unmixed colours."""

    def __init__(self, ground_: Image.Image) -> None:
        self.image = ground_
        self.fore = ground_.copy()
        self.matte = Image.new("L", ground_.size)

    def put(self, art: Image.Image, at: tuple[int, int]) -> None:
        """Lay RGBA art with its upper left corner at `at`."""
        alpha, colours = art.getchannel("A"), art.convert("RGB")
        self.image.paste(colours, at, alpha)
        self.fore.paste(colours, at, alpha.point(lambda value: 255 if value else 0))
        here = (at[0], at[1], at[0] + art.width, at[1] + art.height)
        self.matte.paste(ImageChops.lighter(alpha, self.matte.crop(here)), at)


class _Painter:
    """Draws the cells of one guide; equal cells are drawn once.

    Args:
        brief: what the sampler asks for.
        wording: its prompt, taken apart.
        guide: the cells.
        size: (width, height) of the guide in pixels.
        tiles: the cells are tiles, not subjects.
    """

    def __init__(self, brief: Brief, wording: Wording, guide: Guide, size: tuple[int, int], *, tiles: bool) -> None:
        self._brief = brief
        self._wording = wording
        self._guide = guide
        self._size = size
        self._tiles = tiles
        self._finish = finish_of(wording.whole)
        self._done: dict[object, Image.Image] = {}
        self._led = not (wording.tiles or wording.moves) and any(
            _apart(cell.colour, guide.cells[0].colour) >= _SAME_FIGURE for cell in guide.cells
        )

    def cell(self, place: int, cell: Cell) -> Image.Image:
        """RGBA of the cell's box."""
        single = len(self._guide.cells) == 1
        row, column = self._slot(cell)
        own = self._wording.cells.get((row, column), "")
        index = place if self._wording.grid is None else row * self._wording.grid[0] + column
        pose = Pose() if single or self._tiles else self._wording.pose(index)
        size = (cell.box[2] - cell.box[0], cell.box[3] - cell.box[1])
        colour = self._colour(cell)
        key = (size, colour, own, pose, self._tiles and (index if self._wording.corners else place % 5))
        if key not in self._done:
            self._done[key] = self._tile(index, cell, own) if self._tiles else self._subject(cell, own, colour, pose)
        return self._done[key]

    def _slot(self, cell: Cell) -> tuple[int, int]:
        """(row, column) of the cell in the sheet's grid, by its middle."""
        columns, rows = self._wording.grid or (1, 1)
        x, y = (cell.box[0] + cell.box[2]) / 2 / self._size[0], (cell.box[1] + cell.box[3]) / 2 / self._size[1]
        return min(rows - 1, int(y * rows)), min(columns - 1, int(x * columns))

    def _colour(self, cell: Cell) -> Rgb:
        """The cell's colour; the first cell's where they are so alike that they show one figure."""
        first = self._guide.cells[0].colour
        return first if self._wording.moves and _apart(first, cell.colour) < _SAME_FIGURE else cell.colour

    def _subject(self, cell: Cell, own: str, colour: Rgb, pose: Pose) -> Image.Image:
        words = self._wording
        subject = Subject(
            words.subject,
            self._brief.seed,
            own=own,
            colour=colour,
            pose=pose,
            role=words.role,
            finish=self._finish,
            led=self._led,
            own_first=words.tiles,
            element=words.element,
        )
        return draw_subject(subject, cell.silhouette)

    def _tile(self, place: int, cell: Cell, own: str) -> Image.Image:
        """A square of ground; its words choose the material, its guide the colour."""
        size = (cell.box[2] - cell.box[0], cell.box[3] - cell.box[1])
        named = materials_of(words_of(own)) or materials_of(words_of(self._wording.subject)) or [MATERIALS["plain"]]
        if self._wording.corners and place < 16:  # noqa: PLR2004  one tile for each set of corners
            parts = corner_tile(named[0], named[1] if len(named) > 1 else MATERIALS["dirt"], place)
        elif prop := self._prop(own, size):
            return prop
        else:
            inner = bool(set(words_of(own)) & _INNER)
            sides = frozenset() if inner else frozenset("n")
            parts = ground(Piece(named[0], size[0] / size[1], tile=True, open_sides=sides, turn=place % 5))
        palette: Palette = palette_of(self._wording.subject).led_by(cell.colour)
        grain = noise((64, 64), 16, rng_of("tile", self._brief.seed, place % 5))
        return paint(parts, size, palette, replace(self._finish, outline=0.0), grain)

    def _prop(self, own: str, size: tuple[int, int]) -> Image.Image | None:
        """A tile that shows a thing rather than ground; None when its words name no thing."""
        head = next(iter(phrases(own)), ())[-1:]
        if not head or not is_figure(head[0]) or materials_of(head):
            return None
        figure = cast(own, self._wording.role, Pose(), 1.0)
        palette = palette_of(own)
        if figure.natural is not None and not palette.spoken:
            palette = palette.led_by(figure.natural)
        back = Part("light", (Box(-0.02, -0.02, 1.02, 1.02),), flat=True)
        ground_ = paint([back], size, palette_of(self._wording.subject), replace(self._finish, outline=0.0))
        ground_.alpha_composite(paint(moved(figure.parts, (0.08, 0.08, 0.92, 0.98)), size, palette, self._finish))
        return ground_


def _apart(one: Rgb, other: Rgb) -> int:
    return sum(abs(a - b) for a, b in zip(one, other, strict=True))


def _filled(brief: Brief, source: Picture) -> Picture:
    """Inpainting: what stands behind the hole, or what surrounds it."""
    image = source.image.convert("RGB")
    hole = brief.latent.hole or Image.new("L", image.size, 255)
    if hole.size != image.size:
        hole = hole.resize(image.size, Image.Resampling.BILINEAR)
    behind = source.behind or around(image, hole)
    return replace(source, image=Image.composite(behind, image, hole), matte=None, marked=False)
