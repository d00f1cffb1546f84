-- Write the record of a job that only the archive has, unless it was deleted or came back.
-- An older Redis may have the tombstone of a job that was made anew since: the entry decides (I27).
--
-- KEYS  job record, tombstone, deletions, by microsecond
-- ARGV  job id, version of the row, count, then Redis commands, each led by its number of words
-- Returns 1 if the job has a record now, else 0
-- Needs shared/commands.lua

local record_key = KEYS[1]
local tombstone_key = KEYS[2]
local deletions_key = KEYS[3]
local job_id = next_argument()
local row_version = next_number()

if redis.call('EXISTS', record_key) == 1 then return 1 end
local deleted_at = redis.call('ZSCORE', deletions_key, job_id)
if deleted_at and tonumber(deleted_at) >= row_version then return 0 end
if not deleted_at and redis.call('GET', tombstone_key) == '' then return 0 end
run_commands()
return 1
