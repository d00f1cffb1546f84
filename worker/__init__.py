"""The background processes: they rescue media, submit and poll, and check jobs that are due."""
