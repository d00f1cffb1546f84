-- Write one job record by compare-and-set, together with its index updates, event and counters.
-- I1, I2 ... are the invariants of docs/correctness.md.
--
-- KEYS  1  job record
--       2  set of the submission queues that are not empty
--       3  sorted set of the submissions that wait
--       4  deletions, by microsecond
--       5, of a new job: its tombstones, then keys that must not exist: another job's task alias,
--          the record of a job that is this one under another id
-- ARGV  expected version ("0": no record), new record, job id,
--       number of tombstones, 1 if a deleted job must not be made anew,
--       1 if no job must be made, because the archive was not asked,
--       writer's time, tolerated difference from Redis time in seconds,
--       most waiting submissions (-1: this commit adds none), share of Redis's memory for them,
--       credits to reserve, count, then budgets: hash of the sums of its period, limit
--       count, then capacity limits: sorted set, capacity
--       count, then sorted sets that the job leaves
--       count, then sorted sets to add the job to, each followed by its score
--       count, then Redis commands, each led by its number of words
--       hash of the model's prices, class and price ("": BFL has named none)
--       count, then keys of the submission queues that may have changed
--       1 if the job newly needs a worker, 1 if it gave back its slot, 1 if an RQ job was claimed,
--       RQ job id, RFC 3339 time (only when a worker is needed or a slot was given back)
-- Returns {Redis time, outcome, current record or false}; outcome is
--       0 conflict or clock difference, 1 written, 2 no free slot, 3 queue full, 4 deleted,
--       5 only the archive has the job: its status instead of the record, 6 over budget,
--       7 Redis knows nothing of the job, and the archive was not asked
-- Needs shared/version.lua, shared/commands.lua, shared/rq.lua, shared/queue.lua, shared/budgets.lua

local record_key = KEYS[1]
local queues_key = KEYS[2]
local waiting_key = KEYS[3]
local deletions_key = KEYS[4]
local FIRST_NEW_JOB_KEY = 5

local CONFLICT = 0
local WRITTEN = 1
local NO_FREE_SLOT = 2
local QUEUE_FULL = 3
local DELETED = 4
local EVICTED = 5
local OVER_BUDGET = 6
local UNKNOWN = 7
local PRICE_CLASSES_MAX = 200

local time = redis.call('TIME')
local values = redis.call('MGET', record_key, unpack(KEYS, FIRST_NEW_JOB_KEY))
local current = values[1]

-- I4: compare and set; the first writer wins, and the loser starts over from that record.
local expected_version = next_argument()
if version_of(current) ~= expected_version then return {time, CONFLICT, current} end

local record = next_argument()
local job_id = next_argument()
local tombstones_count = next_number()
local stays_deleted = next_argument() == '1'
local only_known = next_argument() == '1'

-- I12: a deleted job stays deleted; I29: an archived one is not made again.
for i = 2, #values do
  local value = values[i]
  if value then
    local is_tombstone = i <= tombstones_count + 1
    if is_tombstone and value ~= '' then return {time, EVICTED, value} end
    if stays_deleted or not is_tombstone then return {time, DELETED, current} end
  end
end

if not current then
  -- The row of a deleted job does not count: a job made anew must have a later version. An entry
  -- may be there longer than the tombstone.
  local deleted_at = redis.call('ZSCORE', deletions_key, job_id)
  if deleted_at and stays_deleted then return {time, DELETED, current} end
  if only_known then return {time, UNKNOWN, current} end  -- I29: a row may have the job
  if deleted_at and tonumber(deleted_at) >= tonumber(version_of(record)) then
    return {time, CONFLICT, false}
  end
end

-- After a suspend the writer's clock is wrong, and its deadlines would already be over. A writer
-- that is this late has also answered 503 to its caller, so nothing may happen any more.
local now = time[1] + time[2] / 1e6
local writer_time = next_number()
local tolerated_difference = next_number()
local difference = now - writer_time
if math.abs(difference) > tolerated_difference then return {time, CONFLICT, current} end

local waiting_max = next_number()  -- -1: this commit adds no submission
local memory_share = next_number()
if waiting_max >= 0 and is_queue_full(waiting_key, waiting_max, memory_share) then
  return {time, QUEUE_FULL, current}
end

local reserve = next_number()
local budgets_count = next_number()
for _ = 1, budgets_count do  -- I34: a budget is never reserved twice
  local sums = next_argument()
  local limit = next_number()
  if not has_room(sums, limit, reserve) then return {time, OVER_BUDGET, current} end
end

local limited_sets_count = next_number()
for _ = 1, limited_sets_count do  -- I14: no more than each set may hold
  local set = next_argument()
  local capacity = next_number()
  if not redis.call('ZSCORE', set, job_id) and redis.call('ZCARD', set) >= capacity then
    return {time, NO_FREE_SLOT, current}
  end
end

-- I2: Redis refuses a script at its first write or not at all. When memory is short, a new record
-- is refused here. A known job goes on: it leaves a set first, which needs no memory.
if not current then redis.call('SET', record_key, record) end
local sets_left_count = next_number()
for _ = 1, sets_left_count do
  redis.call('ZREM', next_argument(), job_id)
end
if current then redis.call('SET', record_key, record) end
local scores_count = next_number()
for _ = 1, scores_count do
  local set = next_argument()
  local score = next_argument()
  redis.call('ZADD', set, score, job_id)
end
run_commands()

local prices = next_argument()
local class = next_argument()
local price = next_argument()
if price ~= '' then
  local is_new_class = not redis.call('HGET', prices, class)
  if is_new_class and #redis.call('HVALS', prices) >= PRICE_CLASSES_MAX then class = 'others' end
  redis.call('HSET', prices, class, price)
end

local queues_count = next_number()
for _ = 1, queues_count do
  local queue = next_argument()
  if redis.call('ZCARD', queue) == 0 then
    redis.call('SREM', queues_key, queue)
  else
    redis.call('SADD', queues_key, queue)
  end
end

local needs_worker = next_argument() == '1'
local frees_slot = next_argument() == '1'
local takes_rq_job = next_argument() == '1'
local rq_job_id = next_argument()
local created_at = next_argument()
if takes_rq_job then remove_rq_job() end
if needs_worker then add_rq_job(rq_job_id, job_id, created_at) end
if frees_slot and redis.call('EXISTS', queues_key) == 1 then
  add_rq_job(rq_job_id .. 's', job_id, created_at)  -- for the submission that takes the slot
end
return {time, WRITTEN, false}
