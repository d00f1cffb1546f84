-- has_room(sums, limit, reserve): whether a budget has room for so many more credits. `sums` is the
-- hash of what was spent and reserved in its period.

local function has_room(sums, limit, reserve)
  local spent, reserved = redis.call('HGET', sums, 'spent'), redis.call('HGET', sums, 'reserved')
  local left = limit - tonumber(spent or 0) - tonumber(reserved or 0)
  return left > 0 and reserve <= left
end
