-- add_rq_job(id, job_id, created_at): append a job to RQ's queue, as RQ's own Queue.enqueue does.
-- remove_rq_job(): remove the first RQ job, whichever it is: the work that it stands for was claimed.
--
-- rq_queue.py replaces the @NAMES@. A test compares the fields with those that RQ writes; RQ
-- compresses `data`, and reads it uncompressed as well.

local function add_rq_job(id, job_id, created_at)
  local key = 'rq:job:' .. id
  redis.call('HSET', key, 'data', '["@TASK@", null, ["' .. job_id .. '"], {}]',
    'description', "@TASK@('" .. job_id .. "')", 'created_at', created_at,
    'enqueued_at', created_at, 'origin', '@QUEUE_NAME@', 'timeout', '@TIMEOUT_SECONDS@',
    'result_ttl', '0', 'failure_ttl', '@FAILURE_TTL_SECONDS@', 'status', 'queued')
  redis.call('EXPIRE', key, '@TTL_SECONDS@')
  if redis.call('RPUSH', '@QUEUE@', id) == 1 then redis.call('SADD', 'rq:queues', '@QUEUE@') end
end

local function remove_rq_job()
  local id = redis.call('LPOP', '@QUEUE@')
  if id then redis.call('DEL', 'rq:job:' .. id) end
end
