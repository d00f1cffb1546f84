"""Soak test with seeded random faults, for `make soak` before a release; small in `make test`."""
