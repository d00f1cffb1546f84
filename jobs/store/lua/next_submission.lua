-- Next job to submit: the oldest one whose model has a free slot and no open circuit, and whose
-- key's budget has room if it waits for that. A job whose BFL key or API key was removed from the
-- settings is passed over: no other account may pay for it, and no budget bounds it.
-- When the time of an open circuit is over, the next job probes it (half-open), and the circuit
-- stays open for all others until the outcome is known or the probe's time is over.
--
-- A queue is named by its scope: a model, or `model@account`. Accounts have slots and circuits of
-- their own; the scope of all models of one is `*` or `*@account`.
--
-- KEYS  submission queues, active slots, circuits, submissions in flight, RQ's workers
-- ARGV  slots in total, prefix of queues, "claim" or "peek" (starts no probe),
--       seconds that a probe may take, threads of each worker,
--       prefix of prices,
--       start of the names of models that take the slots of another one, that one,
--       count, then what the settings have: "account @" or "key " and a name (none: do not look)
--       count, then for each model with a limit: model, slots
--       then for each budget: name of the API key, hash of the sums of its period, limit
-- Returns {Redis time, job id or false, queue, scopes of the circuits to probe}
-- Needs shared/allow_oom.lua, shared/scopes.lua, shared/budgets.lua

local time = redis.call('TIME')
local now = time[1] + time[2] / 1e6

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

local names_count = tonumber(ARGV[9])
local is_configured = {}
for i = 10, 9 + names_count do is_configured[ARGV[i]] = true end
local function has_keys(account, key)
  if names_count == 0 then return true end
  local has_account = account == '' or is_configured['account ' .. account]
  local has_api_key = key == nil or key == '' or is_configured['key ' .. key]
  return has_account and has_api_key
end

local models_begin = 11 + names_count
local budgets_begin = models_begin + 2 * ARGV[models_begin - 1]
local slots = {}
for i = models_begin, budgets_begin - 1, 2 do slots[ARGV[i]] = tonumber(ARGV[i + 1]) end
local function is_full(model, account)
  local all = account == '' and KEYS[2] or KEYS[2] .. ':' .. account
  if redis.call('ZCARD', all) >= tonumber(ARGV[1]) then return true end
  local sharing = string.sub(model, 1, #ARGV[7]) == ARGV[7] and ARGV[8] or model
  local used = slots[sharing] and redis.call('ZCARD', KEYS[2] .. ':' .. sharing .. account)
  return used and used >= slots[sharing]
end

-- A job whose price nobody knew when it was queued needs room for the dearest that is known by now.
local function reserve_of(price, model)
  if price ~= '?' then return tonumber(price) end
  local dearest = 0
  for _, known in ipairs(redis.call('HVALS', ARGV[6] .. model)) do
    dearest = math.max(dearest, tonumber(known))
  end
  return dearest
end

local function fits(price, key, model)
  local reserve = reserve_of(price, model)
  for i = budgets_begin, #ARGV, 3 do
    local is_own = ARGV[i] == key
    if is_own and not has_room(ARGV[i + 1], tonumber(ARGV[i + 2]), reserve) then return false end
  end
  return true
end

local job_id, found, oldest = false, false, math.huge
for _, queue in ipairs(redis.call('SMEMBERS', KEYS[1])) do
  local model, account, price, key = parse_queue(string.sub(queue, #ARGV[2] + 1))
  local may_send = not is_open('*' .. account) and not is_open(model .. account)
  may_send = may_send and not is_full(model, account) and has_keys(account, key)
  local awaits_budget = key and price ~= ''
  if may_send and (not awaits_budget or fits(price, key, model)) then
    local head = redis.call('ZRANGE', queue, 0, 0, 'WITHSCORES')
    if not head[1] then
      redis.call('SREM', KEYS[1], queue)
    elseif tonumber(head[2]) < oldest then
      job_id, oldest = head[1], tonumber(head[2])
      found = {queue, model .. account, '*' .. account}
    end
  end
end
if not job_id then return {time, false} end

local half_open = {}
for _, scope in ipairs({found[3], found[2]}) do
  if open_until[scope] then
    table.insert(half_open, scope)
    if ARGV[3] == 'claim' then
      allow_oom()
      local rest = string.match(redis.call('HGET', KEYS[3], scope), '^[%d.]+(.*)$')
      redis.call('HSET', KEYS[3], scope, string.format('%.3f', now + ARGV[4]) .. rest)
    end
  end
end
return {time, job_id, found[1], half_open}
