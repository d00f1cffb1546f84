-- Whether a new submission would be refused.
--
-- KEYS  sorted set of the submissions that wait
-- ARGV  most of them, share of Redis's memory for them
-- Returns 1 or 0
-- Needs shared/queue.lua

return is_queue_full(KEYS[1], tonumber(ARGV[1]), tonumber(ARGV[2])) and 1 or 0
