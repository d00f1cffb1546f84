-- Ids of jobs whose own id, or task id, begins with a text.
SELECT id FROM jobs WHERE id >= :prefix AND id < :end
UNION
SELECT id FROM jobs WHERE task_id >= :prefix AND task_id < :end
LIMIT 10
