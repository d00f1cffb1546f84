-- What Redis has of several jobs at one moment.
--
-- KEYS  1      deletions, by microsecond
--       2      jobs whose rows were proven, by the time at which they first were
-- ARGV  1      prefix of job records
--       2      prefix of tombstones
--       3 ...  job ids
-- Returns for each id {record or false, tombstone or false, microsecond of its deletion or false,
--       time at which its row was first proven or false}

local deletions = KEYS[1]
local proven = KEYS[2]
local record_prefix = ARGV[1]
local tombstone_prefix = ARGV[2]

local presences = {}
for i = 3, #ARGV do
  local job_id = ARGV[i]
  local record = redis.call('GET', record_prefix .. job_id)
  local tombstone = redis.call('GET', tombstone_prefix .. job_id)
  local deleted_at = redis.call('ZSCORE', deletions, job_id)
  local proven_at = redis.call('ZSCORE', proven, job_id)
  table.insert(presences, {record, tombstone, deleted_at, proven_at})
end
return presences
