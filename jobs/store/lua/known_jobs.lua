-- What Redis knows of jobs at one moment.
--
-- KEYS  deletions, by microsecond
-- ARGV  prefix of job records, prefix of tombstones, job ids
-- Returns for each id {record or false, tombstone or false, microsecond of its deletion or false}

local found = {}
for i = 3, #ARGV do
  local id = ARGV[i]
  found[i - 2] = {
    redis.call('GET', ARGV[1] .. id), redis.call('GET', ARGV[2] .. id),
    redis.call('ZSCORE', KEYS[1], id)}
end
return found
