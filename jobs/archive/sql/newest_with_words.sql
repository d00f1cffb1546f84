-- Jobs whose words match, among the newest jobs of an index.
-- The inner limit bounds the rows that are read, whatever words are searched: the plan stays.
SELECT {names}
FROM (
  {newest_of_each_value}
) AS newest
WHERE {matches_words}
ORDER BY {order}
LIMIT :limit
