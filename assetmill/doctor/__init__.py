"""What an endpoint can do, found out before anything is drawn for money; whether everything else stands; what is next.

It is a room of its own because it is no run: nothing is planned, drawn or published. It looks, asks, and writes down
what it has found; routing reads that. What it sends is in the books like every other paid request. Nothing here
changes an endpoint, and nothing that can be asked for free is ever paid for.
"""

from assetmill.doctor.examine import examine
from assetmill.doctor.findings import Check, Examination, State, Way
from assetmill.doctor.phases import Phase, Stands
from assetmill.doctor.status import Status, status

__all__ = ["Check", "Examination", "Phase", "Stands", "State", "Status", "Way", "examine", "status"]
