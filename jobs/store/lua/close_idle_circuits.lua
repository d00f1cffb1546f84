-- Close circuits whose time is over and that no waiting job could probe.
--
-- KEYS  submission queues, circuits
-- ARGV  prefix of queues

local now = tonumber(redis.call('TIME')[1])
local circuits = redis.call('HGETALL', KEYS[2])
for i = 1, #circuits, 2 do
  local scope = circuits[i]
  local is_over = tonumber(string.match(circuits[i + 1], '^[%d.]+')) <= now
  local queue = scope == '*' and KEYS[1] or ARGV[1] .. scope
  if is_over and redis.call('EXISTS', queue) == 0 then redis.call('HDEL', KEYS[2], scope) end
end
