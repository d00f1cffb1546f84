-- Jobs that wait for a worker, most urgent first, with the record of the first.
--
-- KEYS  pending rescues or pending polls
-- ARGV  prefix of job records, most ids
-- Returns {Redis time, job ids, record of the first or false}

local ids = redis.call('ZRANGE', KEYS[1], 0, ARGV[2] - 1)
return {redis.call('TIME'), ids, ids[1] and redis.call('GET', ARGV[1] .. ids[1]) or false}
