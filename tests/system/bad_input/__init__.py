"""What the web process answers to input nobody should send, and what it keeps to itself."""
