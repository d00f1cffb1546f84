"""Media formats: detection by magic bytes, completeness and dimensions."""
