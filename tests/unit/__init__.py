"""Pure tests: no process, no server."""
