"""Schemas of requests and responses, and validation of requests."""
