"""What a job is and how it changes: no clock, no network, no storage, no Redis."""
