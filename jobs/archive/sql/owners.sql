-- Each of some ids that a job has, as its task id or as its own id, with the job's own id.
SELECT task_id AS name, id FROM jobs WHERE task_id IN ({names})
UNION ALL
SELECT id AS name, id FROM jobs WHERE id IN ({names})
