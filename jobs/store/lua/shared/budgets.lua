-- has_room(sums, limit, reserve): whether a budget has room for the credits to reserve. `sums` is
-- the hash of what was spent and reserved in its period.

local function has_room(sums, limit, reserve)
  local spent = tonumber(redis.call('HGET', sums, 'spent') or 0)
  local reserved = tonumber(redis.call('HGET', sums, 'reserved') or 0)
  local credits_left = limit - spent - reserved
  return credits_left > 0 and reserve <= credits_left
end
