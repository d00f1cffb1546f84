"""The Lua that Redis runs: each script is one round trip and one atomic step.

Every answer begins with the Redis clock, because leases and deadlines are measured by it.
"""

# KEYS: record, due, waiting, counts, old state's index, new state's index,
#       RQ job, RQ queue, RQ's set of queues
# ARGV: version expected, record, id, created_at, due or "", wanted or "", entry's life,
#       number of counts, (name, increment)..., entry id or "", entry's fields...;
#       the last one is the time the writer believed it was
COMMIT = """
local time = redis.call('TIME')
local current = redis.call('GET', KEYS[1])
local version = current and string.match(current, '^%d+') or '0'
if version ~= ARGV[1] then return {time, 0, current} end
-- A machine that slept has an old idea of now, and would write deadlines that are over.
local drift = time[1] - tonumber(ARGV[#ARGV])
if drift > 5 or drift < -5 then return {time, 0, current} end
-- Writing the record comes first: if memory is short, Redis refuses here and nothing is half done.
redis.call('SET', KEYS[1], ARGV[2])
local id = ARGV[3]
if KEYS[5] ~= KEYS[6] then
  redis.call('ZREM', KEYS[5], id)
  redis.call('ZADD', KEYS[6], ARGV[4], id)
end
if ARGV[5] == '' then redis.call('ZREM', KEYS[2], id)
else redis.call('ZADD', KEYS[2], ARGV[5], id) end
if ARGV[6] == '' then redis.call('ZREM', KEYS[3], id)
else redis.call('ZADD', KEYS[3], ARGV[6], id) end
local counts = tonumber(ARGV[8])
for i = 9, 7 + 2 * counts, 2 do redis.call('HINCRBY', KEYS[4], ARGV[i], ARGV[i + 1]) end
local entry = ARGV[9 + 2 * counts]
if entry ~= '' then
  redis.call('HSET', KEYS[7], unpack(ARGV, 10 + 2 * counts, #ARGV - 1))
  redis.call('EXPIRE', KEYS[7], ARGV[7])
  redis.call('SADD', KEYS[9], KEYS[8])
  redis.call('RPUSH', KEYS[8], entry)
end
return {time, 1, false}
"""

# KEYS: the record
LOAD = """
return {redis.call('TIME'), redis.call('GET', KEYS[1])}
"""

# KEYS: due, waiting, RQ queue. ARGV: limit.
# Which jobs are due, oldest first, and how many hints RQ lacks for the work that waits.
DUE = """
local time = redis.call('TIME')
local now = time[1] .. '.' .. string.format('%06d', time[2])
local ids = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'LIMIT', 0, ARGV[1])
local missing = redis.call('ZCARD', KEYS[2]) - redis.call('LLEN', KEYS[3])
local unhinted = {}
if missing > 0 then
  unhinted = redis.call('ZRANGE', KEYS[2], 0, math.min(missing, tonumber(ARGV[1])) - 1)
end
local first = redis.call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')
return {time, ids, unhinted, first[2] or false}
"""

# KEYS: record, refusals, counts. ARGV: reason, most lines kept, seconds they are kept.
# A refused callback is noted beside a known job, bounded, and counted in any case.
REFUSE = """
redis.call('HINCRBY', KEYS[3], 'callback_refused', 1)
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
local time = redis.call('TIME')
local at = time[1] .. '.' .. string.format('%06d', time[2])
redis.call('LPUSH', KEYS[2], at .. ' ' .. ARGV[1])
redis.call('LTRIM', KEYS[2], 0, ARGV[2] - 1)
redis.call('EXPIRE', KEYS[2], ARGV[3])
return 1
"""
