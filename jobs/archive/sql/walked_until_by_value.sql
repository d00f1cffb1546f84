-- The creation time of the job behind the newest :walked jobs with one value; 0 if there are no
-- more than :walked. Only an index is read.
SELECT '{value}' AS value, coalesce(
  (
    SELECT {table}.created_at
    FROM {table}
    WHERE ({table}.{column}, {table}.created_at, {table}.id)
        >= (:{value}, :first_created_at, :first_id)
      AND ({table}.{column}, {table}.created_at, {table}.id)
        < (:{value}, :end_created_at, :end_id)
    ORDER BY {table}.{column} DESC, {table}.created_at DESC, {table}.id DESC
    LIMIT 1 OFFSET :walked
  ),
  0
) AS created_at
