"""Pure tests: no process, no Redis, milliseconds."""
