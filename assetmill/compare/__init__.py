"""The same pictures by two providers, side by side: what each cost, what was measured, and what people say of them.

A comparison is two ordinary runs whose pictures go into no pack. What it writes down is a document that never changes
(`values`); votes stand in the ledger, and a routing policy is read off both (`summary`). Nothing here pays, sends or
judges by itself: batches pay, checks judge, people vote.
"""
