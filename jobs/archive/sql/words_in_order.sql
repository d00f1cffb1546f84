-- The words of rows, the earliest first, from behind a position.
SELECT id, created_at, words
FROM jobs
WHERE (created_at, id) > (:after_created_at, :after_id)
ORDER BY created_at, id
LIMIT :limit
