"""The worker image as files: what it is made of, and whether that is what our graphs need.

No container engine is asked: the Dockerfile and its lock are read and held against the workflows, so that a mistake is
found before gigabytes are fetched and built. The only network is `hub`, which importing this package does not import.
"""

from assetmill.workerimage.check import Code, Finding, check_image
from assetmill.workerimage.lock import Base, Model, NodePack, WorkerLock, read_lock, render_lock
from assetmill.workerimage.recipe import Instruction, read_dockerfile

__all__ = [
    "Base",
    "Code",
    "Finding",
    "Instruction",
    "Model",
    "NodePack",
    "WorkerLock",
    "check_image",
    "read_dockerfile",
    "read_lock",
    "render_lock",
]
