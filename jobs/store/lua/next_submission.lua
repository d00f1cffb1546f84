-- Next job to submit: the oldest one whose model has a free slot and no open circuit.
-- When the time of an open circuit is over, the next job probes it (half-open), and the circuit
-- stays open for all others until the outcome is known or the probe's time is over.
--
-- KEYS  submission queues, active slots, circuits, submissions in flight, RQ's workers
-- ARGV  slots in total, prefix of queues, "claim" or "peek" (starts no probe),
--       seconds that a probe may take, threads of each worker,
--       then for each model with a limit: model, slots
-- Returns {Redis time, job id or false, model, scopes of the circuits to probe}
-- Needs shared/allow_oom.lua

local time = redis.call('TIME')
local now = time[1] + time[2] / 1e6
if redis.call('ZCARD', KEYS[2]) >= tonumber(ARGV[1]) then return {time, false} end

-- One thread is left for rescues, however long BFL takes to answer the others. The submission of
-- a worker that died leaves the count after a minute.
local threads = redis.call('SCARD', KEYS[5]) * ARGV[5]
local in_flight = redis.call('ZCOUNT', KEYS[4], now - 60, '+inf')
if threads > 1 and in_flight >= threads - 1 then return {time, false} end

local open_until = {}
local circuits = redis.call('HGETALL', KEYS[3])
for i = 1, #circuits, 2 do
  open_until[circuits[i]] = tonumber(string.match(circuits[i + 1], '^[%d.]+'))
end
local function is_open(scope) return open_until[scope] and open_until[scope] > now end
if is_open('*') then return {time, false} end

local slots = {}
for i = 6, #ARGV, 2 do slots[ARGV[i]] = tonumber(ARGV[i + 1]) end
local function is_full(model)
  return slots[model] and redis.call('ZCARD', KEYS[2] .. ':' .. model) >= slots[model]
end

local job_id, model, oldest = false, false, math.huge
for _, queue in ipairs(redis.call('SMEMBERS', KEYS[1])) do
  local candidate = string.sub(queue, #ARGV[2] + 1)
  if not is_full(candidate) and not is_open(candidate) then
    local head = redis.call('ZRANGE', queue, 0, 0, 'WITHSCORES')
    if not head[1] then
      redis.call('SREM', KEYS[1], queue)
    elseif tonumber(head[2]) < oldest then
      job_id, model, oldest = head[1], candidate, tonumber(head[2])
    end
  end
end
if not job_id then return {time, false} end

local half_open = {}
for _, scope in ipairs({'*', model}) do
  if open_until[scope] then
    table.insert(half_open, scope)
    if ARGV[3] == 'claim' then
      allow_oom()
      local rest = string.match(redis.call('HGET', KEYS[3], scope), '^[%d.]+(.*)$')
      redis.call('HSET', KEYS[3], scope, string.format('%.3f', now + ARGV[4]) .. rest)
    end
  end
end
return {time, job_id, model, half_open}
