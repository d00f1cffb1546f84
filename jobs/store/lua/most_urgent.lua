-- Jobs that wait for a worker, most urgent first, with the record of the first.
--
-- KEYS  pending rescues or pending polls
-- ARGV  prefix of job records, most ids
-- Returns {Redis time, job ids, record of the first or false}

local pending_key = KEYS[1]
local record_prefix = ARGV[1]
local most_ids = tonumber(ARGV[2])

local job_ids = redis.call('ZRANGE', pending_key, 0, most_ids - 1)
local first_record = false
if job_ids[1] then
  first_record = redis.call('GET', record_prefix .. job_ids[1])
end
return {redis.call('TIME'), job_ids, first_record}
