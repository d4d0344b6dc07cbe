"""The endpoint as a file: compare it with what is at RunPod, bring it about, scale it, end it.

`plan` only looks; nothing is made, changed or ended without a call that says so. How a run scales its endpoint around
itself stands in `scaling`. See docs/endpoint.md and ADR 0023.
"""

from __future__ import annotations

from assetmill.provisioning.fields import Effect
from assetmill.provisioning.loading import load_spec
from assetmill.provisioning.plan import Change, EndpointPlan, plan
from assetmill.provisioning.spec import EndpointSpec

__all__ = ["Change", "Effect", "EndpointPlan", "EndpointSpec", "load_spec", "plan"]
