"""Media formats: completeness and dimensions."""
