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

local time = redis.call('TIME')
local found = redis.call('MGET', KEYS[1], unpack(KEYS, 5))
local current = found[1]

-- I4: compare and set; the first writer wins, and the loser starts over from that record.
if version_of(current) ~= next_argument() then return {time, 0, current} end
local record, job_id = next_argument(), next_argument()
local tombstones, stays_deleted = next_number(), next_argument() == '1'
local only_known = next_argument() == '1'
for i = 2, #found do  -- I12: a deleted job stays deleted; I29: an archived one is not made again
  local is_tombstone = i <= tombstones + 1
  if found[i] and is_tombstone and found[i] ~= '' then return {time, 5, found[i]} end
  if found[i] and (stays_deleted or not is_tombstone) then return {time, 4, current} end
end
-- The row of a deleted job does not count: a job made anew must have a later version. An entry may
-- be there longer than the tombstone.
local deleted = not current and redis.call('ZSCORE', KEYS[4], job_id)
if deleted and stays_deleted then return {time, 4, current} end
if not current and only_known then return {time, 7, current} end  -- I29: a row may have the job
if deleted and tonumber(deleted) >= tonumber(version_of(record)) then return {time, 0, false} end

-- After a suspend the writer's clock is wrong, and its deadlines would already be over. A writer
-- that is this late has also answered 503 to its caller, so nothing may happen any more.
local difference = time[1] + time[2] / 1e6 - next_number()
if math.abs(difference) > next_number() then return {time, 0, current} end

local waiting_max, memory_share = next_number(), next_number()
if waiting_max >= 0 and is_queue_full(KEYS[3], waiting_max, memory_share) then
  return {time, 3, current}
end

local reserve = next_number()
for _ = 1, next_number() do  -- I34: a budget is never reserved twice
  local sums, limit = next_argument(), next_number()
  if not has_room(sums, limit, reserve) then return {time, 6, current} end
end

for _ = 1, next_number() do  -- I14: no more than each set may hold
  local set, capacity = next_argument(), next_number()
  if not redis.call('ZSCORE', set, job_id) and redis.call('ZCARD', set) >= capacity then
    return {time, 2, current}
  end
end

-- I2: Redis refuses a script at its first write or not at all. When memory is short, a new record
-- is refused here. A known job goes on: it leaves a set first, which needs no memory.
if not current then redis.call('SET', KEYS[1], record) end
for _ = 1, next_number() do redis.call('ZREM', next_argument(), job_id) end
if current then redis.call('SET', KEYS[1], record) end
for _ = 1, next_number() do
  local set, score = next_argument(), next_argument()
  redis.call('ZADD', set, score, job_id)
end
run_commands()

local prices, class, price = next_argument(), next_argument(), next_argument()
if price ~= '' then
  local is_new = not redis.call('HGET', prices, class)
  if is_new and #redis.call('HVALS', prices) >= 200 then class = 'others' end
  redis.call('HSET', prices, class, price)
end

for _ = 1, next_number() do
  local queue = next_argument()
  redis.call(redis.call('ZCARD', queue) == 0 and 'SREM' or 'SADD', KEYS[2], queue)
end

local needs_worker, frees_slot = next_argument() == '1', next_argument() == '1'
if next_argument() == '1' then remove_rq_job() end
local rq_job_id, created_at = next_argument(), next_argument()
if needs_worker then add_rq_job(rq_job_id, job_id, created_at) end
if frees_slot and redis.call('EXISTS', KEYS[2]) == 1 then
  add_rq_job(rq_job_id .. 's', job_id, created_at)  -- for the submission that takes the slot
end
return {time, 1, false}
