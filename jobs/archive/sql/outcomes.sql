-- Jobs that have one of some ids, as their own id or as BFL's task id.
-- UNION, since with OR a planner may use neither index.
SELECT id, task_id, status, version FROM jobs WHERE id IN ({names})
UNION
SELECT id, task_id, status, version FROM jobs WHERE task_id IN ({names})
