"""The archive: a database of ended jobs. Redis is the truth about a job that has a record there."""
