-- The number of jobs that were created in a time, counted up to :most.
SELECT count(*)
FROM (SELECT 1 FROM jobs WHERE {created_in} LIMIT :most) AS created
