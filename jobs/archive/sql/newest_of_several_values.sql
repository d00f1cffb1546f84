-- The newest jobs of several statuses.
-- Each status is read by a query of its own, with its own limit, along jobs_by_status; with IN a
-- planner reads all jobs of these statuses and sorts them.
SELECT {names}
FROM (
  {newest_of_each_value}
) AS newest
ORDER BY newest.created_at DESC, newest.id DESC
LIMIT :limit
