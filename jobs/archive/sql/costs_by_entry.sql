-- Credits, and jobs without a price, by day, model, API key and value of one metadata entry.
-- A database says how it finds a day and the entry of a job.
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
