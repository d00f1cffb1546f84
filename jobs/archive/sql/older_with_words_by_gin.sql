-- Jobs with all words, by PostgreSQL's index of words, which knows no order.
-- MATERIALIZED makes the index of words lead: a planner that sees the limit walks by the time, and
-- reads the whole table for a word that was common long ago. Records are read last: they are large.
WITH matching AS MATERIALIZED (
  SELECT jobs.created_at, jobs.id
  FROM jobs
  WHERE string_to_array(jobs.words, ' ') @> string_to_array(:words_for_gin, ' ')
    AND (jobs.created_at, jobs.id) >= (:first_created_at, :first_id)
    AND (jobs.created_at, jobs.id) < (:end_created_at, :end_id)
    {further_conditions}
),
newest AS (
  SELECT matching.created_at, matching.id
  FROM matching
  ORDER BY matching.created_at DESC, matching.id DESC
  LIMIT :limit
)
SELECT {columns}
FROM newest
JOIN jobs ON jobs.id = newest.id
ORDER BY newest.created_at DESC, newest.id DESC
