"""Manifests that artists hand in: picked up once, examined, agreed to, run, and answered with pages. See ADR 0015.

A submission is a record in the store that advances by compare-and-swap, so any number of ingesters on any number of
machines may work at once. Nothing here knows of Prefect: flows say when a step is taken and how many run.
"""

from assetmill.submissions.desk import Desk, Mended, open_desk
from assetmill.submissions.inbox import Arrival
from assetmill.submissions.ingest import Ingested, ingest
from assetmill.submissions.records import FlowRun, Record, State

__all__ = ["Arrival", "Desk", "FlowRun", "Ingested", "Mended", "Record", "State", "ingest", "open_desk"]
