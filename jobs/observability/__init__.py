"""Logs, redaction and error reports."""
