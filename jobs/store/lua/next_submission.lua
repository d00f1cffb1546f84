-- Next job to submit: the oldest one whose model has a free slot and no open circuit, and whose
-- key's budget has room if it waits for that. A job whose BFL key or API key was removed from the
-- settings is passed over: no other account may pay for it, and no budget bounds it.
-- When the time of an open circuit is over, the next job probes it (half-open), and the circuit
-- stays open for all others until the outcome is known or the probe's time is over.
--
-- A queue is named by its scope: a model, or `model@account`. Accounts have slots and circuits of
-- their own; the scope of all models of one is `*` or `*@account`.
--
-- KEYS  1  set of the submission queues that are not empty
--       2  active slots of all models; with ":" and a scope, those of this scope
--       3  circuits
--       4  submissions in flight
--       5  RQ's workers
-- ARGV  1  slots in total
--       2  prefix of queues
--       3  "claim" or "peek" (starts no probe)
--       4  seconds that a probe may take
--       5  threads of each worker
--       6  prefix of prices
--       7  start of the names of models that take the slots of another model
--       8  that other model
--       then a count, and names that the settings have: "account @" or "key " and a name
--            (a count of 0: no job is passed over for its keys)
--       then a count, and for each model with a limit: model, slots
--       then for each budget: name of the API key, hash of the sums of its period, limit
-- Returns {Redis time, job id or false, queue, scopes of the circuits to probe}
-- Needs shared/allow_oom.lua, shared/scopes.lua, shared/budgets.lua

local queues_key = KEYS[1]
local active_key = KEYS[2]
local circuits_key = KEYS[3]
local in_flight_key = KEYS[4]
local workers_key = KEYS[5]

local slots_in_total = tonumber(ARGV[1])
local queue_prefix = ARGV[2]
local starts_probe = ARGV[3] == 'claim'
local probe_seconds = tonumber(ARGV[4])
local threads_of_worker = tonumber(ARGV[5])
local prices_prefix = ARGV[6]
local sharing_prefix = ARGV[7]
local shared_model = ARGV[8]

local names_count = tonumber(ARGV[9])
local names_begin = 10
local models_begin = names_begin + names_count + 1
local models_count = tonumber(ARGV[models_begin - 1])
local budgets_begin = models_begin + 2 * models_count

local SUBMISSION_SECONDS = 60  -- after that a submission in flight belongs to a worker that died

local time = redis.call('TIME')
local now = time[1] + time[2] / 1e6

-- One thread is left for rescues, however long BFL takes to answer the others.
local threads = redis.call('SCARD', workers_key) * threads_of_worker
local in_flight = redis.call('ZCOUNT', in_flight_key, now - SUBMISSION_SECONDS, '+inf')
if threads > 1 and in_flight >= threads - 1 then return {time, false} end

local open_until = {}
local circuits = redis.call('HGETALL', circuits_key)
for i = 1, #circuits, 2 do
  local scope = circuits[i]
  open_until[scope] = tonumber(string.match(circuits[i + 1], '^[%d.]+'))
end

local function is_open(scope)
  return open_until[scope] and open_until[scope] > now
end

local is_configured = {}
for i = names_begin, names_begin + names_count - 1 do
  is_configured[ARGV[i]] = true
end

local function has_keys(account, key)
  if names_count == 0 then return true end
  local has_account = account == '' or is_configured['account ' .. account]
  local has_api_key = key == nil or key == '' or is_configured['key ' .. key]
  return has_account and has_api_key
end

local slots = {}
for i = models_begin, budgets_begin - 1, 2 do
  local model = ARGV[i]
  slots[model] = tonumber(ARGV[i + 1])
end

local function slots_used_in_all(account)
  if account == '' then return redis.call('ZCARD', active_key) end
  return redis.call('ZCARD', active_key .. ':' .. account)
end

local function slot_model(model)
  if string.sub(model, 1, #sharing_prefix) == sharing_prefix then return shared_model end
  return model
end

local function is_full(model, account)
  if slots_used_in_all(account) >= slots_in_total then return true end
  local limited_model = slot_model(model)
  local limit = slots[limited_model]
  if not limit then return false end
  return redis.call('ZCARD', active_key .. ':' .. limited_model .. account) >= limit
end

-- A job whose price nobody knew when it was queued needs room for the dearest price that is known
-- by now.
local function reserve_of(price, model)
  if price ~= '?' then return tonumber(price) end
  local dearest = 0
  for _, known_price in ipairs(redis.call('HVALS', prices_prefix .. model)) do
    dearest = math.max(dearest, tonumber(known_price))
  end
  return dearest
end

local function fits_budgets(price, key, model)
  local reserve = reserve_of(price, model)
  for i = budgets_begin, #ARGV, 3 do
    local budget_key = ARGV[i]
    local sums = ARGV[i + 1]
    local limit = tonumber(ARGV[i + 2])
    if budget_key == key and not has_room(sums, limit, reserve) then return false end
  end
  return true
end

local function may_send(model, account, price, key)
  if is_open('*' .. account) or is_open(model .. account) then return false end
  if is_full(model, account) then return false end
  if not has_keys(account, key) then return false end
  local awaits_budget = key and price ~= ''
  if not awaits_budget then return true end
  return fits_budgets(price, key, model)
end

local oldest_job = false
local oldest_queue
local oldest_at = math.huge
local oldest_scopes
for _, queue in ipairs(redis.call('SMEMBERS', queues_key)) do
  local model, account, price, key = parse_queue(string.sub(queue, #queue_prefix + 1))
  if may_send(model, account, price, key) then
    local head = redis.call('ZRANGE', queue, 0, 0, 'WITHSCORES')
    local job_id = head[1]
    local queued_at = tonumber(head[2])
    if not job_id then
      redis.call('SREM', queues_key, queue)
    elseif queued_at < oldest_at then
      oldest_job = job_id
      oldest_queue = queue
      oldest_at = queued_at
      oldest_scopes = {'*' .. account, model .. account}
    end
  end
end
if not oldest_job then return {time, false} end

local half_open = {}
for _, scope in ipairs(oldest_scopes) do
  if open_until[scope] then
    table.insert(half_open, scope)
    if starts_probe then
      allow_oom()
      local circuit = redis.call('HGET', circuits_key, scope)
      local reason = string.match(circuit, '^[%d.]+(.*)$')
      redis.call('HSET', circuits_key, scope, string.format('%.3f', now + probe_seconds) .. reason)
    end
  end
end
return {time, oldest_job, oldest_queue, half_open}
