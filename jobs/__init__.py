"""Domain of Fluxkeep and its adapters: BFL, network, storage, Redis, settings, logs."""
