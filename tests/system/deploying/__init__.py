"""The files under `deploy/` that platforms read: valid by their schemas, and true of this code."""
