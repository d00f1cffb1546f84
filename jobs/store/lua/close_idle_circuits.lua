-- Close circuits whose time is over and that no waiting job could probe.
--
-- KEYS  submission queues, circuits
-- ARGV  prefix of queues
-- Needs shared/scopes.lua

local now = tonumber(redis.call('TIME')[1])
local is_waiting = {}
for _, queue in ipairs(redis.call('SMEMBERS', KEYS[1])) do
  local model, account = parse_queue(string.sub(queue, #ARGV[1] + 1))
  local has_jobs = redis.call('EXISTS', queue) == 1
  is_waiting[model .. account] = is_waiting[model .. account] or has_jobs
  is_waiting['*' .. account] = is_waiting['*' .. account] or has_jobs
end
local circuits = redis.call('HGETALL', KEYS[2])
for i = 1, #circuits, 2 do
  local is_over = tonumber(string.match(circuits[i + 1], '^[%d.]+')) <= now
  if is_over and not is_waiting[circuits[i]] then redis.call('HDEL', KEYS[2], circuits[i]) end
end
