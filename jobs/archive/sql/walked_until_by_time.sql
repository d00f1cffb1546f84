-- The creation time of the job behind the newest :walked jobs; 0 if there are no more than :walked.
SELECT 'time' AS value, coalesce(
  (
    SELECT jobs.created_at
    FROM jobs
    WHERE (jobs.created_at, jobs.id) >= (:first_created_at, :first_id)
      AND (jobs.created_at, jobs.id) < (:end_created_at, :end_id)
    ORDER BY jobs.created_at DESC, jobs.id DESC
    LIMIT 1 OFFSET :walked
  ),
  0
) AS created_at
