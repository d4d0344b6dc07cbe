"""The draft worker: placeholder art from a bound ComfyUI graph, without a model and without a GPU.

It carries out what a graph means (size, guide, words, seed, cut-out, layers), so that a level can be laid
out and a batch rehearsed end to end before a cent is spent. Same graph, same bytes. It is no stand-in for
the real thing: everything it makes says that it is a draft.
"""

from assetmill.localpod.draft.answer import DRAFT_KEY, render

__all__ = ["DRAFT_KEY", "render"]
