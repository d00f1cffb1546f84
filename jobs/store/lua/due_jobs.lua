-- Jobs to check now, oldest first, and pending work for which RQ has no job (I3, I18).
--
-- KEYS  due, pending rescues, pending polls, RQ queue, thumbnails
-- ARGV  most ids
-- Returns {Redis time, due job ids, ids of jobs without an RQ job,
--          time of the next check or false, length of the RQ queue}

local time = redis.call('TIME')
local now = time[1] .. '.' .. string.format('%06d', time[2])
local due = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'LIMIT', 0, ARGV[1])
local rq_jobs = redis.call('LLEN', KEYS[4])
local pending = redis.call('ZCARD', KEYS[2]) + redis.call('ZCARD', KEYS[3])
local missing = math.min(pending - rq_jobs, tonumber(ARGV[1]))

local without_rq_job = {}
if missing > 0 then
  without_rq_job = redis.call('ZRANGE', KEYS[2], 0, missing - 1)
  if #without_rq_job < missing then
    local polls = redis.call('ZRANGE', KEYS[3], 0, missing - #without_rq_job - 1)
    for _, id in ipairs(polls) do table.insert(without_rq_job, id) end
  end
elseif rq_jobs == 0 then
  -- A worker that runs draws all thumbnails, so that one RQ job is enough for them.
  without_rq_job = redis.call('ZRANGEBYSCORE', KEYS[5], '-inf', now, 'LIMIT', 0, 1)
end

local first = redis.call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')
return {time, due, without_rq_job, first[2] or false, rq_jobs}
