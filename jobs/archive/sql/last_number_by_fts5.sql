-- The row number of the last job of a page, by SQLite's index of words: the index is read down to
-- it, and no further.
SELECT jobs.number
FROM jobs_words
-- CROSS JOIN keeps SQLite from another order of the tables.
CROSS JOIN jobs ON jobs.number = jobs_words.rowid
WHERE jobs_words MATCH :words_for_fts5
  AND jobs_words.rowid >= :first_number
  AND jobs_words.rowid < :end_number
  AND (jobs.created_at, jobs.id) >= (:first_created_at, :first_id)
  AND (jobs.created_at, jobs.id) < (:end_created_at, :end_id)
  {further_conditions}
-- This is the order of the index: nothing is sorted.
ORDER BY jobs_words.rowid DESC
LIMIT 1 OFFSET :last_of_page
