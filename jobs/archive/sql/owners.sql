-- For each of some ids (a task id, or a job's own id) that has a job: the id, and the job's own id.
SELECT task_id AS name, id FROM jobs WHERE task_id IN ({names})
UNION ALL
SELECT id AS name, id FROM jobs WHERE id IN ({names})
