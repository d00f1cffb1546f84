-- Whether a new submission would be refused.
--
-- KEYS  sorted set of the submissions that wait
-- ARGV  most submissions, share of Redis's memory for them
-- Returns 1 or 0
-- Needs shared/queue.lua

local waiting_key = KEYS[1]
local waiting_max = tonumber(ARGV[1])
local memory_share = tonumber(ARGV[2])

if is_queue_full(waiting_key, waiting_max, memory_share) then return 1 end
return 0
