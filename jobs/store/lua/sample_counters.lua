-- Copy all counters into the time series, once in each period.
--
-- KEYS  time series, counters
-- ARGV  seconds of a period, seconds for which samples are kept
-- Returns the Redis time

local time = redis.call('TIME')
local period = time[1] - time[1] % ARGV[1]
if redis.call('ZCOUNT', KEYS[1], period, '+inf') == 0 then
  local counters = table.concat(redis.call('HGETALL', KEYS[2]), ' ')
  redis.call('ZADD', KEYS[1], period, string.format('%.0f %s', period, counters))
  redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', period - ARGV[2])
end
return time
