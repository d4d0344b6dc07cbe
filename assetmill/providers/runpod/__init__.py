"""RunPod serverless: one job a request, submitted with /run and watched until it ends.

`/runsync` is never used for paid work: until it answers there is no job id, so a lost connection
would leave a running job that nobody can find.
"""

from assetmill.providers.runpod.provider import RunPodProvider

__all__ = ["RunPodProvider"]
