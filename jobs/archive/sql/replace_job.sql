-- Write a changed row if it still has the version that was read.
UPDATE jobs
SET {changes}
WHERE id = ? AND version = ?
RETURNING id
