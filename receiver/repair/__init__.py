"""Repair: reindex and restore records, list missing and unexplained objects, while all runs."""
