"""BFL's API: the only package that knows its words and shapes."""
