-- Jobs whose own id or BFL's task id is among some ids.
-- UNION, since with OR a planner may use neither index.
SELECT id, task_id, status, version FROM jobs WHERE id IN ({names})
UNION
SELECT id, task_id, status, version FROM jobs WHERE task_id IN ({names})
