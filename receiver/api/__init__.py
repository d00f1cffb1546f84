"""HTTP API: jobs, submissions, event streams, and the BFL-compatible API."""
