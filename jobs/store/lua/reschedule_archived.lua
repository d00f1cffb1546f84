-- Set when the sweep looks at archived jobs next, unless a writer has set it meanwhile.
--
-- KEYS  archive_due, archive_refused, archive_proven
-- ARGV  of each: job id, score that was read, new score (empty: none), "1" if its row was refused,
--       time of its record if its row is proven for the first time (else empty)

local due_key = KEYS[1]
local refused_key = KEYS[2]
local proven_key = KEYS[3]

-- I24: the time of Redis counts. The sweep may have been suspended since it read its own.
local time = redis.call('TIME')
local now = time[1] + time[2] / 1e6

for i = 1, #ARGV, 5 do
  local job_id = ARGV[i]
  local score_read = tonumber(ARGV[i + 1])
  local next_score = ARGV[i + 2]
  local is_refused = ARGV[i + 3] == '1'
  local written_at = tonumber(ARGV[i + 4])
  local score = redis.call('ZSCORE', due_key, job_id)
  if score and tonumber(score) == score_read then
    if next_score == '' then
      redis.call('ZREM', due_key, job_id)
    else
      redis.call('ZADD', due_key, next_score, job_id)
    end
    if is_refused then
      redis.call('ZADD', refused_key, next_score, job_id)
    else
      redis.call('ZREM', refused_key, job_id)
    end
    if written_at then
      local proven_at = math.max(now, written_at)  -- the clock of the writer may be ahead
      redis.call('ZADD', proven_key, string.format('%.6f', proven_at), job_id)
    end
  end
end
