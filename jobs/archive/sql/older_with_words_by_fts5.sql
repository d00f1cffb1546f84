-- Jobs with all words, by SQLite's index of words.
-- Row numbers follow the time, so that the index gives the newest jobs first.
SELECT {columns}
FROM jobs_words
-- CROSS JOIN keeps SQLite from another order of the tables.
CROSS JOIN jobs ON jobs.number = jobs_words.rowid
WHERE jobs_words MATCH :words_for_fts5
  AND jobs_words.rowid >= :first_number
  AND jobs_words.rowid < :end_number
  AND (jobs.created_at, jobs.id) >= (:first_created_at, :first_id)
  AND (jobs.created_at, jobs.id) < (:end_created_at, :end_id)
  {further_conditions}
-- Row numbers do not follow the ids of jobs of one microsecond.
ORDER BY jobs.created_at DESC, jobs.id DESC
LIMIT :limit
