"""The archive behind real processes, on SQLite and PostgreSQL."""
