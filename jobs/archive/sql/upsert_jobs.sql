-- Write rows of ended jobs; the answer is the ids of rows that were written.
INSERT INTO jobs ({columns})
VALUES {rows}
ON CONFLICT (id) DO UPDATE SET {changes}
WHERE excluded.version > jobs.version
  -- A `stored` row stays `stored` (I26): only an end of the same incarnation replaces it.
  AND (jobs.status <> 'stored' OR (excluded.status = 'stored'
    AND excluded.ended_at < jobs.ended_at + {incarnation_seconds}))
  -- A later incarnation, which a late callback made, does not replace its job's row (I29).
  AND excluded.created_at < jobs.created_at + {incarnation_seconds}
RETURNING id
