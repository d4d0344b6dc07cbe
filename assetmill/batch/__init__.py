"""The way of one batch: composes the other rooms in the order in which money and data move.

It owns that order and nothing else: no rule of pricing, drawing, storing or asking a provider lives here.
Kept apart from flows/ and tasks/ so that a batch can be run and tested without Prefect. See ADR 0003.
"""
