-- Count a refused callback, and record it in a list of its job when that is known.
--
-- KEYS  job record, refused callbacks of the job, counters
-- ARGV  reason, most entries to keep, seconds to keep them, name of the counter

local record_key = KEYS[1]
local callbacks_key = KEYS[2]
local counters_key = KEYS[3]
local reason = ARGV[1]
local entries_max = tonumber(ARGV[2])
local retention_seconds = ARGV[3]
local counter = ARGV[4]

redis.call('HINCRBY', counters_key, counter, 1)
if redis.call('EXISTS', record_key) == 0 then return end
local time = redis.call('TIME')
local at = time[1] .. '.' .. string.format('%06d', time[2])
redis.call('LPUSH', callbacks_key, at .. ' ' .. reason)
redis.call('LTRIM', callbacks_key, 0, entries_max - 1)
redis.call('EXPIRE', callbacks_key, retention_seconds)
