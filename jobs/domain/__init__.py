"""A job and its changes: no clock, no network, no storage, no Redis."""
