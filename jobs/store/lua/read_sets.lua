-- Read several sorted sets at one moment, highest scores first.
--
-- KEYS  sorted sets
-- ARGV  highest and lowest score, most members of each
-- Returns for each set: member, score, member, score ...

local found = {}
for n, key in ipairs(KEYS) do
  found[n] = redis.call(
    'ZREVRANGEBYSCORE', key, ARGV[1], ARGV[2], 'WITHSCORES', 'LIMIT', 0, ARGV[3])
end
return found
