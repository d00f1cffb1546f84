-- Jobs that ended before a cutoff or at it, the earliest first: those after an end and an id.
SELECT {columns}
FROM jobs
WHERE ended_at <= :cutoff
  AND (ended_at, id) > (:after_ended_at, :after_id)
  {further_conditions}
ORDER BY ended_at, id
LIMIT :limit
