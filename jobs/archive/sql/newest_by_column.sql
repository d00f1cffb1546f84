-- The newest jobs between two positions with one status, model or key.
-- Row values in the order of jobs_by_status, jobs_by_model or jobs_by_key: this index leads.
SELECT {columns}
FROM jobs
WHERE (jobs.{column}, jobs.created_at, jobs.id) >= (:{value}, :first_created_at, :first_id)
  AND (jobs.{column}, jobs.created_at, jobs.id) < (:{value}, :end_created_at, :end_id)
  {further_conditions}
-- All rows have one value; with the column in front a planner sees that the index has this order.
ORDER BY jobs.{column} DESC, jobs.created_at DESC, jobs.id DESC
LIMIT :walk_limit
