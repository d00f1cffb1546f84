-- Remove a job from its submission queue unless its record has changed.
--
-- KEYS  job record, submission queue
-- ARGV  job id, expected version ("0": no record)
-- Needs shared/version.lua

if version_of(redis.call('GET', KEYS[1])) == ARGV[2] then redis.call('ZREM', KEYS[2], ARGV[1]) end
