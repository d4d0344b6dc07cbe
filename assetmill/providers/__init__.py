"""Who makes the pixels: one small Protocol, and the services behind it.

Providers know jobs. They know nothing of the ledger, the store, or what an asset is.
"""
