-- Count a refused callback, and record it in a list of its job when that is known.
--
-- KEYS  job record, refused callbacks of the job, counters
-- ARGV  reason, most entries to keep, seconds to keep them, name of the counter

redis.call('HINCRBY', KEYS[3], ARGV[4], 1)
if redis.call('EXISTS', KEYS[1]) == 0 then return end
local time = redis.call('TIME')
local at = time[1] .. '.' .. string.format('%06d', time[2])
redis.call('LPUSH', KEYS[2], at .. ' ' .. ARGV[1])
redis.call('LTRIM', KEYS[2], 0, ARGV[2] - 1)
redis.call('EXPIRE', KEYS[2], ARGV[3])
