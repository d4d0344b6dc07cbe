"""A plain ComfyUI server, by its address.

The same graphs as elsewhere go to its own API: pictures by `upload/image`, the graph by `prompt`, the end from
`history`, the results from `view`. It has no account, no limit of time and no memory beyond its process; what that
means for lost answers and restarts stands in `find` and `watch`.
"""

from assetmill.providers.comfyui.abilities import abilities
from assetmill.providers.comfyui.provider import ComfyUIProvider

__all__ = ["ComfyUIProvider", "abilities"]
