"""What holds for every test: servers of tests stand on this machine, and no proxy comes between.

Property tests draw the same examples every time, few enough for every run of the suite; with
HYPOTHESIS_PROFILE=fuzz they draw many new ones, make those small that fail, and remember them.
"""

from __future__ import annotations

import os

from hypothesis import HealthCheck, Phase, settings

from assetmill.settings import reach_this_machine_directly

reach_this_machine_directly()

_SLOW = (HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much)
_QUICK = (Phase.explicit, Phase.generate)  # making a failing example small may take minutes
settings.register_profile("ci", max_examples=40, derandomize=True, database=None, deadline=None, phases=_QUICK)
settings.register_profile("fuzz", max_examples=5_000, deadline=None, suppress_health_check=_SLOW, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))
