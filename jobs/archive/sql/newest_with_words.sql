-- Jobs whose words match, among the newest jobs of an index.
-- The limit inside keeps the words from changing the plan: no more rows are read than are walked.
SELECT {names}
FROM (
  {newest_of_each_value}
) AS newest
WHERE {matches_words}
ORDER BY {order}
LIMIT :limit
