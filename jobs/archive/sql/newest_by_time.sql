-- The newest jobs between two positions.
-- Row values in the order of jobs_by_time: this index leads, and nothing is sorted.
SELECT {columns}
FROM jobs
WHERE (jobs.created_at, jobs.id) >= (:first_created_at, :first_id)
  AND (jobs.created_at, jobs.id) < (:end_created_at, :end_id)
  {further_conditions}
ORDER BY jobs.created_at DESC, jobs.id DESC
LIMIT :walk_limit
