-- add_rq_job(id, job_id, created_at): append a job to RQ's queue, as RQ's own Queue.enqueue does.
-- remove_rq_job(): remove the first RQ job, whichever it is: the work that it stands for was claimed.
--
-- rq_queue.py replaces the @NAMES@ by what the installed RQ uses.

local function add_rq_job(id, job_id, created_at)
  local key = '@RQ_JOB_PREFIX@' .. id
  redis.call('HSET', key, 'data', '@DATA_BEFORE_JOB_ID@' .. job_id .. '@DATA_AFTER_JOB_ID@',
    'description', "@TASK@('" .. job_id .. "')", 'created_at', created_at,
    'enqueued_at', created_at, '@CONSTANT_FIELDS@')
  redis.call('EXPIRE', key, '@TTL_SECONDS@')
  if redis.call('RPUSH', '@QUEUE@', id) == 1 then redis.call('SADD', '@QUEUES@', '@QUEUE@') end
end

local function remove_rq_job()
  local id = redis.call('LPOP', '@QUEUE@')
  if id then redis.call('DEL', '@RQ_JOB_PREFIX@' .. id) end
end
