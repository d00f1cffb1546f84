-- Credits, and jobs without a price, by day, model, API key and value of one metadata entry.
-- The day and the join differ between the two databases.
SELECT
  {day} AS day,
  model,
  jobs.key AS key_name,
  entry.type,
  entry.atom,
  coalesce(sum({credits}), 0),
  sum({without_price})
FROM jobs
{join}
WHERE {created_in}
GROUP BY 1, 2, 3, 4, 5
LIMIT :most
