-- Close circuits whose time is over and that no waiting job could probe.
--
-- KEYS  submission queues, circuits
-- ARGV  prefix of queues
-- Needs shared/scopes.lua

local queues_key = KEYS[1]
local circuits_key = KEYS[2]
local queue_prefix = ARGV[1]

local now = tonumber(redis.call('TIME')[1])
local is_waiting = {}
for _, queue in ipairs(redis.call('SMEMBERS', queues_key)) do
  if redis.call('EXISTS', queue) == 1 then
    local model, account = parse_queue(string.sub(queue, #queue_prefix + 1))
    is_waiting[model .. account] = true
    is_waiting['*' .. account] = true
  end
end

local circuits = redis.call('HGETALL', circuits_key)
for i = 1, #circuits, 2 do
  local scope = circuits[i]
  local open_until = tonumber(string.match(circuits[i + 1], '^[%d.]+'))
  if open_until <= now and not is_waiting[scope] then
    redis.call('HDEL', circuits_key, scope)
  end
end
