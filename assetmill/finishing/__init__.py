"""Finishing: from the stored raw picture to the file that is published, free of charge and repeatable.

It always starts from the raw bytes, so a changed option never pays for a new picture. `finish_fields` says
what decides the finished bytes and loads no image library, because every plan asks it for every asset.
"""

from __future__ import annotations

from collections.abc import Mapping

from assetmill.finishing.fields import FINISH_VERSION, finish_fields
from assetmill.finishing.result import Finished, FinishedFile
from assetmill.manifest.models import AssetBase, Pack
from assetmill.quality.wanted import target_size

__all__ = ["FINISH_VERSION", "Finished", "FinishedFile", "finish", "finish_fields", "target_size"]


def finish(
    asset: AssetBase, pack: Pack, raws: Mapping[str, bytes], *, text: Mapping[str, str] | None = None
) -> Finished:
    """Finish the raw pictures of one asset.

    Args:
        asset: what was wanted.
        pack: for its palette and its limits.
        raws: role -> bytes as the worker sent them; `image`, or those of layers: `far`, `mid` and `near`, or `layer_0`
            and so on (with `full` and `depth` finished too when they are there). Without a `full` picture of its
            layers, a parallax background gets one that is put together from them.
        text: provenance for the PNG's text chunks; None writes none.

    Raises:
        ResultInvalid: a role is missing, or its bytes are no picture.
    """
    from assetmill.finishing.pipeline import run  # noqa: PLC0415  plans import this module and finish nothing

    return run(asset, pack, raws, text=text)
