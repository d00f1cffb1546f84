-- Set when the sweep looks at archived jobs next, unless a writer has set it meanwhile.
--
-- KEYS  archive_due, archive_refused, archive_proven
-- ARGV  of each: job id, score that was read, new score (empty: none), "1" if its row was refused,
--       time of its record if its row is proven for the first time (else empty)

-- I24: the time of Redis counts. The sweep may have been suspended since it read its own.
local clock = redis.call('TIME')
local now = clock[1] + clock[2] / 1e6

for i = 1, #ARGV, 5 do
  local job_id, new_score = ARGV[i], ARGV[i + 2]
  local is_refused, written_at = ARGV[i + 3] == '1', tonumber(ARGV[i + 4])
  local score = redis.call('ZSCORE', KEYS[1], job_id)
  if score and tonumber(score) == tonumber(ARGV[i + 1]) then
    if new_score == '' then
      redis.call('ZREM', KEYS[1], job_id)
    else
      redis.call('ZADD', KEYS[1], new_score, job_id)
    end
    if is_refused then
      redis.call('ZADD', KEYS[2], new_score, job_id)
    else
      redis.call('ZREM', KEYS[2], job_id)
    end
    if written_at then
      local proven_at = math.max(now, written_at)  -- the clock of the writer may be ahead
      redis.call('ZADD', KEYS[3], string.format('%.6f', proven_at), job_id)
    end
  end
end
