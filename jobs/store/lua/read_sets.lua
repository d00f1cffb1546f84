-- Read several sorted sets at one moment, highest scores first.
--
-- KEYS  sorted sets
-- ARGV  1  highest score
--       2  lowest score
--       3  most members of each set
-- Returns for each set: member, score, member, score ...

local newest = ARGV[1]
local oldest = ARGV[2]
local members_max = ARGV[3]

local sets = {}
for _, set in ipairs(KEYS) do
  local members = redis.call(
    'ZREVRANGEBYSCORE', set, newest, oldest, 'WITHSCORES', 'LIMIT', 0, members_max)
  table.insert(sets, members)
end
return sets
