"""What users would build instead: each verifies a callback, drops doubles and puts work in line."""
