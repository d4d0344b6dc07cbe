"""What holds for every test: servers of tests stand on this machine, and no proxy comes between."""

from __future__ import annotations

from assetmill.settings import reach_this_machine_directly

reach_this_machine_directly()
