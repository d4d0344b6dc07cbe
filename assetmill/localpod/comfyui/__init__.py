"""A ComfyUI server on this machine that draws placeholders: its HTTP side, its queue and its way of saying no.

`running_comfyui` runs one inside a block, `serve_comfyui` until it is told to end. Graphs are checked against the
node contract as ComfyUI checks them, and drawn by the draft worker. What a real server forgets, this one forgets.
"""

from assetmill.localpod.comfyui.config import ComfyConfig
from assetmill.localpod.comfyui.faults import Fault, Kind
from assetmill.localpod.comfyui.server import Comfy, running_comfyui, serve_comfyui

__all__ = ["Comfy", "ComfyConfig", "Fault", "Kind", "running_comfyui", "serve_comfyui"]
