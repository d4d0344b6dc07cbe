"""Prefect set up as code: work pool, limits, variables, alerts and deployments, made again and again to the same end.

It stands with the flows because it imports Prefect and names them. It holds no rule of assetmill's: what a limit
allows or an amount means is said there. Every step looks first, changes only what differs, and says what it did in
words. See docs/adr/0014-set-up-as-code.md.
"""
