"""The sandbox does what BFL does, and fails the ways BFL fails."""
