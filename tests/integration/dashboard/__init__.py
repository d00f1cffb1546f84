"""The pages for people: as a plain HTTP client sees them, and in a real browser."""
