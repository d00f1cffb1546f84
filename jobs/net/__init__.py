"""Outbound HTTP that is safe against SSRF, and strict parsing of foreign input."""
