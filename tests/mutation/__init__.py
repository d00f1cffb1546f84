"""Mutation tests: generated faults in the domain, the store's scripts and the webhook."""
