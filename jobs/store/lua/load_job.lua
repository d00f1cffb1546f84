-- Load a job record by its own id or by BFL's task id.
--
-- KEYS  job record, task alias (optional)
-- ARGV  prefix of job records
-- Returns {Redis time, record or false}

local record = redis.call('GET', KEYS[1])
if not record and KEYS[2] then
  local job_id = redis.call('GET', KEYS[2])
  record = job_id and redis.call('GET', ARGV[1] .. job_id)
end
return {redis.call('TIME'), record}
