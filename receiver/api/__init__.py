"""The HTTP API: jobs, submissions, events and BFL's own shape."""
