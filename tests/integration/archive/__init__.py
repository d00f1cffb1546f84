"""The archive, in the process of a test, on SQLite and PostgreSQL."""
