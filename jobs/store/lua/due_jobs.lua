-- Jobs to check now, oldest first, and pending work for which RQ has no job
-- (I3: every job under way is due; I18: a lost RQ job does no harm).
--
-- KEYS  due, pending rescues, pending polls, RQ queue, thumbnails
-- ARGV  most ids
-- Returns {Redis time, due job ids, ids of jobs without an RQ job,
--          time of the next check or false, length of the RQ queue}

local due_key = KEYS[1]
local pending_rescues_key = KEYS[2]
local pending_polls_key = KEYS[3]
local rq_queue_key = KEYS[4]
local thumbnails_key = KEYS[5]
local most_ids = tonumber(ARGV[1])

local time = redis.call('TIME')
local now = time[1] .. '.' .. string.format('%06d', time[2])
local due_ids = redis.call('ZRANGEBYSCORE', due_key, '-inf', now, 'LIMIT', 0, most_ids)

local rq_jobs = redis.call('LLEN', rq_queue_key)
local rescues = redis.call('ZCARD', pending_rescues_key)
local polls = redis.call('ZCARD', pending_polls_key)
local missing = math.min(rescues + polls - rq_jobs, most_ids)

local without_rq_job = {}
if missing > 0 then
  without_rq_job = redis.call('ZRANGE', pending_rescues_key, 0, missing - 1)
  local polls_missing = missing - #without_rq_job
  if polls_missing > 0 then
    local poll_ids = redis.call('ZRANGE', pending_polls_key, 0, polls_missing - 1)
    for _, job_id in ipairs(poll_ids) do
      table.insert(without_rq_job, job_id)
    end
  end
elseif rq_jobs == 0 then
  -- A worker that runs draws all thumbnails, so that one RQ job is enough for them.
  without_rq_job = redis.call('ZRANGEBYSCORE', thumbnails_key, '-inf', now, 'LIMIT', 0, 1)
end

local next_check = redis.call('ZRANGE', due_key, 0, 0, 'WITHSCORES')
local next_check_at = next_check[2] or false
return {time, due_ids, without_rq_job, next_check_at, rq_jobs}
