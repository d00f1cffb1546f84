-- Load a job record by its own id or by BFL's task id.
--
-- KEYS  job record, task alias (optional)
-- ARGV  prefix of job records
-- Returns {Redis time, record or false}

local record_key = KEYS[1]
local alias_key = KEYS[2]
local record_prefix = ARGV[1]

local record = redis.call('GET', record_key)
if not record and alias_key then
  local job_id = redis.call('GET', alias_key)
  if job_id then
    record = redis.call('GET', record_prefix .. job_id)
  end
end
return {redis.call('TIME'), record}
