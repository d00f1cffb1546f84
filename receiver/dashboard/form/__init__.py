"""The form that submits a job: its fields, what it had before, and the body that it sends."""
