-- Credits, and jobs without a price, by model and API key.
SELECT model, key, coalesce(sum({credits}), 0), sum({without_price})
FROM jobs
WHERE {created_in}
GROUP BY model, key
