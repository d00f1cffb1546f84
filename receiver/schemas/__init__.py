"""What requests and responses look like, and how requests are validated."""
