-- The number of jobs that were created between two times, counted up to :most.
SELECT count(*)
FROM (SELECT 1 FROM jobs WHERE {created_in} LIMIT :most) AS created
