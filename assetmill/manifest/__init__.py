"""What is wanted: YAML and CSV manifests, read into one frozen Pack with every error located."""

from assetmill.manifest.loading import load_pack
from assetmill.manifest.models import Pack
from assetmill.manifest.problems import ManifestError, Problem

__all__ = ["ManifestError", "Pack", "Problem", "load_pack"]
