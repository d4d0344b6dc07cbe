"""What travels along the links of a graph while a draft is drawn.

A picture here knows more than its pixels: what a background remover would keep, how near each pixel
is, and what stands behind. A drawing knows that for certain, so the nodes that a real worker gives to
neural networks can answer exactly. Nothing here draws.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from PIL import Image


@dataclass(frozen=True, slots=True)
class Picture:
    """An image on a link.

    Args:
        image: RGB, or RGBA once alpha was joined or cut out.
        matte: mode L, the subject; None when only the pixels can tell.
        fore: RGB, the subject's colours without any ground mixed into its edges; None when unknown.
        depth: mode L, 0 far to 255 near; None when unknown.
        behind: RGB, the same scene with only what is far; None when there is none.
        marked: a finished opaque scene that may bear the draft mark in its corner.
    """

    image: Image.Image
    matte: Image.Image | None = None
    fore: Image.Image | None = None
    depth: Image.Image | None = None
    behind: Image.Image | None = None
    marked: bool = False

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) in pixels."""
        return self.image.size

    def scaled(
        self, size: tuple[int, int], filter_: Image.Resampling, box: tuple[float, float, float, float]
    ) -> Picture:
        """All its planes, resized from the part `box`; between two depths there is nothing, so they are not mixed."""
        planes = {
            name: plane.resize(size, Image.Resampling.NEAREST if name == "depth" else filter_, box=box)
            for name in ("image", "matte", "fore", "depth", "behind")
            if (plane := getattr(self, name)) is not None
        }
        return replace(self, **planes)


@dataclass(frozen=True, slots=True)
class Latent:
    """What a sampler starts from: an empty canvas, or a picture, perhaps with a hole to fill.

    Args:
        size: (width, height) in pixels, multiples of 8.
        source: the encoded picture, None for an empty canvas.
        hole: mode L, white where new pixels may be drawn; None for everywhere.
        batch: pictures asked for at once.
        layers: layers into which a picture is to be taken apart; 0 for one that is drawn.
    """

    size: tuple[int, int]
    source: Picture | None = None
    hole: Image.Image | None = None
    batch: int = 1
    layers: int = 0


@dataclass(frozen=True, slots=True)
class Layers:
    """A picture and its layers, as a sampler that takes pictures apart leaves them: one behind the other in time.

    Args:
        frames: the whole picture first, then its layers, farthest first.
    """

    frames: tuple[Picture, ...]


@dataclass(frozen=True, slots=True)
class Words:
    """A conditioning.

    Args:
        text: its words.
        reference: a picture that goes with them; None if there is none.
    """

    text: str
    reference: Picture | None = None


@dataclass(frozen=True, slots=True)
class Brief:
    """One drawing that a sampler asks for.

    Args:
        prompt: the positive words, unchanged.
        seed: the sampler's seed.
        latent: where it starts.
        denoise: share that is drawn anew.
        cut_out: a background remover follows, so the subject stands alone.
        layered: the scene is cut into layers afterwards, by a depth estimator or a model that takes it apart.
    """

    prompt: str
    seed: int
    latent: Latent
    denoise: float = 1.0
    cut_out: bool = False
    layered: bool = False
