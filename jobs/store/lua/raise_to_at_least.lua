-- Raise numbers in hashes; none is lowered.
--
-- ARGV  "raise" or "peek" (writes nothing), then for each: hash, field, number, seconds to live
-- Returns how many were lower

local lower = 0
for i = 2, #ARGV, 4 do
  local key, field, number = ARGV[i], ARGV[i + 1], ARGV[i + 2]
  if tonumber(redis.call('HGET', key, field) or 0) < tonumber(number) then
    lower = lower + 1
    if ARGV[1] == 'raise' then
      redis.call('HSET', key, field, number)
      redis.call('EXPIRE', key, ARGV[i + 3])
    end
  end
end
return lower
