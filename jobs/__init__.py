"""Domain of Fluxkeep and its adapters: BFL, network, storage, Redis, settings, logs.

Numbers such as I2 in comments name the invariants of docs/correctness.md.
"""
