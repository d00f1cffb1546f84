-- Raise numbers in hashes; none is lowered.
--
-- ARGV  "raise" or "peek" (writes nothing), then for each: hash, field, number, seconds to live
-- Returns how many were lower

local raises = ARGV[1] == 'raise'

local lower_count = 0
for i = 2, #ARGV, 4 do
  local key = ARGV[i]
  local field = ARGV[i + 1]
  local number = ARGV[i + 2]
  local life_seconds = ARGV[i + 3]
  local current = redis.call('HGET', key, field) or 0
  if tonumber(current) < tonumber(number) then
    lower_count = lower_count + 1
    if raises then
      redis.call('HSET', key, field, number)
      redis.call('EXPIRE', key, life_seconds)
    end
  end
end
return lower_count
