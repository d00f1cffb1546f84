-- Write the record of a job that only the archive has, unless it was deleted or came back.
-- An older Redis may have the tombstone of a job that was made anew since: the entry decides (I27).
--
-- KEYS  job record, tombstone, deletions, by microsecond
-- ARGV  job id, version of the row, count, then Redis commands, each led by its number of words
-- Returns 1 if the job has a record now, else 0
-- Needs shared/commands.lua

if redis.call('EXISTS', KEYS[1]) == 1 then return 1 end
local deleted = redis.call('ZSCORE', KEYS[3], next_argument())
local version = next_number()
if deleted and tonumber(deleted) >= version then return 0 end
if not deleted and redis.call('GET', KEYS[2]) == '' then return 0 end
run_commands()
return 1
