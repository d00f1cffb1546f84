"""The Lua that Redis runs: each script is one round trip and one atomic step.

Every answer about jobs begins with the Redis clock: leases and deadlines are measured by it.
"""

# KEYS: record, the set of lines, sizes of the inputs that wait, keys that must not exist...
# ARGV: version expected, record, the time the writer believes it is, most seconds it may be off,
#       most inputs that may wait (-1: none is added), most bytes of them, bytes of the one added,
#       number of caps, (sorted set, member, most)..., number of commands, commands...,
#       number of lines that changed, their keys..., 1 if it newly waits for a worker,
#       1 if it gave a slot back, 1 if its claim takes an RQ job off the queue,
#       then what the entry for the first two is made of (`hint`, queues.py)
#       Each command is led by its number of words.
COMMIT = """
local time = redis.call('TIME')
local found = redis.call('MGET', KEYS[1], unpack(KEYS, 4))
local current = found[1]
local version = current and string.match(current, '^%d+') or '0'
if version ~= ARGV[1] then return {time, 0, current} end
for i = 2, #found do
  if found[i] then return {time, 4, current} end
end
-- A machine that slept has an old idea of now, and would write deadlines that are over.
-- So would one whose answer nobody waits for any more: its caller was told that nothing was done.
local drift, most_drift = time[1] + time[2] / 1e6 - tonumber(ARGV[3]), tonumber(ARGV[4])
if drift > most_drift or drift < -most_drift then return {time, 0, current} end
local most_inputs = tonumber(ARGV[5])
if most_inputs >= 0 then
  local sizes = redis.call('HVALS', KEYS[3])
  local bytes = tonumber(ARGV[7])
  for _, size in ipairs(sizes) do bytes = bytes + size end
  if #sizes >= most_inputs or bytes > tonumber(ARGV[6]) then return {time, 3, current} end
end
local at = 9
for _ = 1, tonumber(ARGV[8]) do
  local set, member, most = ARGV[at], ARGV[at + 1], tonumber(ARGV[at + 2])
  if not redis.call('ZSCORE', set, member) and redis.call('ZCARD', set) >= most then
    return {time, 2, current}
  end
  at = at + 3
end
-- Writing the record comes first: if memory is short, Redis refuses here and nothing is half done.
redis.call('SET', KEYS[1], ARGV[2])
local function next_number()
  at = at + 1
  return tonumber(ARGV[at - 1])
end
for _ = 1, next_number() do
  local words = tonumber(ARGV[at])
  redis.call(unpack(ARGV, at + 1, at + words))
  at = at + 1 + words
end
for _ = 1, next_number() do
  if redis.call('ZCARD', ARGV[at]) == 0 then redis.call('SREM', KEYS[2], ARGV[at])
  else redis.call('SADD', KEYS[2], ARGV[at]) end
  at = at + 1
end
if ARGV[at + 2] == '1' then drop_rq_job() end
if ARGV[at] == '1' then hint(ARGV[at + 3], ARGV[at + 4], ARGV[at + 5]) end
-- A slot is of use only if somebody waits for one.
if ARGV[at + 1] == '1' and redis.call('EXISTS', KEYS[2]) == 1 then
  hint(ARGV[at + 3] .. 's', ARGV[at + 4], ARGV[at + 5])
end
return {time, 1, false}
"""

# ARGV: what each entry is made of, one after the other.
HINT = """
for at = 1, #ARGV, 3 do hint(ARGV[at], ARGV[at + 1], ARGV[at + 2]) end
"""

# KEYS: record. ARGV: version expected or "any", number of commands, commands as above.
# What holds for one version of a record ("0": there is none) and must not be done to another.
AMEND = """
local current = redis.call('GET', KEYS[1])
local version = current and string.match(current, '^%d+') or '0'
if ARGV[1] ~= 'any' and ARGV[1] ~= version then return 0 end
local at = 3
for _ = 1, tonumber(ARGV[2]) do
  local words = tonumber(ARGV[at])
  redis.call(unpack(ARGV, at + 1, at + words))
  at = at + 1 + words
end
return 1
"""

# KEYS: record, id of the job that BFL calls so (if that will do). ARGV: prefix of records.
LOAD = """
local record = redis.call('GET', KEYS[1])
if not record and KEYS[2] then
  local id = redis.call('GET', KEYS[2])
  record = id and redis.call('GET', ARGV[1] .. id)
end
return {redis.call('TIME'), record}
"""

# KEYS: waiting rescues or polls. ARGV: prefix of records, how many.
# The jobs that wait for a worker, most urgent first, and the record of the first of them.
URGENT = """
local ids = redis.call('ZRANGE', KEYS[1], 0, ARGV[2] - 1)
return {redis.call('TIME'), ids, ids[1] and redis.call('GET', ARGV[1] .. ids[1]) or false}
"""

# KEYS: due, waiting, polls, RQ queue, drawings. ARGV: limit.
# Which jobs are due, oldest first, and how many hints RQ lacks for the work that waits. One hint
# will do for all thumbnails, and none is needed while there are others.
DUE = """
local time = redis.call('TIME')
local now = time[1] .. '.' .. string.format('%06d', time[2])
local ids = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'LIMIT', 0, ARGV[1])
local entries = redis.call('LLEN', KEYS[4])
local waiting = redis.call('ZCARD', KEYS[2]) + redis.call('ZCARD', KEYS[3])
local missing = math.min(waiting - entries, tonumber(ARGV[1]))
local unhinted = {}
if missing > 0 then
  unhinted = redis.call('ZRANGE', KEYS[2], 0, missing - 1)
  if #unhinted < missing then
    local polls = redis.call('ZRANGE', KEYS[3], 0, missing - #unhinted - 1)
    for _, id in ipairs(polls) do table.insert(unhinted, id) end
  end
elseif entries == 0 then
  unhinted = redis.call('ZRANGEBYSCORE', KEYS[5], '-inf', now, 'LIMIT', 0, 1)
end
local first = redis.call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')
return {time, ids, unhinted, first[2] or false, entries}
"""

# KEYS: lines, active, pauses, sending, RQ's workers.
# ARGV: most in total, prefix of lines, "look" or "go", seconds until the next probe,
#       threads of a worker, (model, most)...
# Who is next in line: the one that waits longest among those whose model has a slot and no pause.
# After a pause the first to go is a probe, and the pause lasts until its outcome is known.
# One thread is left for rescues, however long BFL takes to answer the others.
NEXT = """
local time = redis.call('TIME')
local now = time[1] + time[2] / 1e6
if redis.call('ZCARD', KEYS[2]) >= tonumber(ARGV[1]) then return {time, false} end
local threads = redis.call('SCARD', KEYS[5]) * ARGV[5]
local sending = redis.call('ZCOUNT', KEYS[4], now - 60, '+inf')  -- a dead one is gone by then
if threads > 1 and sending >= threads - 1 then return {time, false} end
local until_ = {}
local pauses = redis.call('HGETALL', KEYS[3])
for i = 1, #pauses, 2 do until_[pauses[i]] = tonumber(string.match(pauses[i + 1], '^[%d.]+')) end
if until_['*'] and until_['*'] > now then return {time, false} end
local most = {}
for i = 6, #ARGV, 2 do most[ARGV[i]] = tonumber(ARGV[i + 1]) end
local best, since, chosen = false, math.huge, false
for _, line in ipairs(redis.call('SMEMBERS', KEYS[1])) do
  local model = string.sub(line, #ARGV[2] + 1)
  local full = most[model] and redis.call('ZCARD', KEYS[2] .. ':' .. model) >= most[model]
  if not full and not (until_[model] and until_[model] > now) then
    local head = redis.call('ZRANGE', line, 0, 0, 'WITHSCORES')
    if not head[1] then redis.call('SREM', KEYS[1], line)
    elseif tonumber(head[2]) < since then
      best, since, chosen = head[1], tonumber(head[2]), model
    end
  end
end
local probes = {}
if best then
  for _, scope in ipairs({'*', chosen}) do
    if until_[scope] then
      table.insert(probes, scope)
      if ARGV[3] == 'go' then
        local rest = string.match(redis.call('HGET', KEYS[3], scope), '^[%d.]+(.*)$')
        redis.call('HSET', KEYS[3], scope, string.format('%.3f', now + ARGV[4]) .. rest)
      end
    end
  end
end
return {time, best, chosen, probes}
"""

# KEYS: lines, pauses. ARGV: prefix of lines.
# A pause that is over has ended when nobody is left to be its probe.
TIDY = """
local now = tonumber(redis.call('TIME')[1])
local pauses = redis.call('HGETALL', KEYS[2])
for i = 1, #pauses, 2 do
  local over = tonumber(string.match(pauses[i + 1], '^[%d.]+')) <= now
  local waiting = pauses[i] == '*' and KEYS[1] or ARGV[1] .. pauses[i]
  if over and redis.call('EXISTS', waiting) == 0 then redis.call('HDEL', KEYS[2], pauses[i]) end
end
"""

# KEYS: record, line. ARGV: id, version the reader saw.
# Out of the line, unless it came back in line meanwhile.
LEAVE = """
local current = redis.call('GET', KEYS[1])
local version = current and string.match(current, '^%d+') or '0'
if version == ARGV[2] then redis.call('ZREM', KEYS[2], ARGV[1]) end
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

# KEYS: samples, counts. ARGV: seconds between samples, seconds they are kept.
# The counters as they stand, once in each period, whoever comes first in it.
SAMPLE = """
local time = redis.call('TIME')
local period = time[1] - time[1] % ARGV[1]
if redis.call('ZCOUNT', KEYS[1], period, '+inf') == 0 then
  local counts = table.concat(redis.call('HGETALL', KEYS[2]), ' ')
  redis.call('ZADD', KEYS[1], period, string.format('%.0f %s', period, counts))
  redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', period - ARGV[2])
end
return time
"""

# What is spent of a quota is kept as the moment at which all of it will be back, and not at all
# when it is. A Redis that is full counts nothing, and does not fail for it.
# Answers: how much is left, seconds until all of it is back, seconds to wait (0: go on).
_SPENDING = """
local time = redis.call('TIME')
local now = time[1] + time[2] / 1e6
local function whole_at(key) return math.max(tonumber(redis.call('GET', key) or 0), now) end
local function wait_for(key, requests, seconds)
  return math.max(whole_at(key) + seconds / requests - now - seconds, 0)
end
local function text(number) return string.format('%.6f', number) end
local function spend(key, requests, seconds)
  local whole, wait = whole_at(key), wait_for(key, requests, seconds)
  if wait > 0 then return 0, text(whole - now), text(wait) end
  whole = whole + seconds / requests
  redis.pcall('SET', key, text(whole), 'PX', math.ceil((whole - now) * 1000))
  return math.floor((now + seconds - whole) * requests / seconds + 1e-3), text(whole - now), '0'
end
"""

# KEYS: what a key has spent, wrong keys from an address, whether the two have met, counts.
# ARGV: most requests (0: any number), in seconds, most wrong keys, in seconds,
#       seconds for which it is remembered that the two have met,
#       names of the counters of who is refused: a guesser, a key that asks too often
# A right guess among too many wrong ones must look like a wrong one.
ADMIT = (
    _SPENDING
    + """
local wait = wait_for(KEYS[2], ARGV[3], ARGV[4])
local met = redis.call('TTL', KEYS[3])
if wait > 0 and met < 0 then
  redis.pcall('HINCRBY', KEYS[4], ARGV[6], 1)
  return {0, '0', text(wait), 1}
end
if met < ARGV[5] / 2 then redis.pcall('SET', KEYS[3], '', 'EX', ARGV[5]) end
if tonumber(ARGV[1]) == 0 then return {0, '0', '0', 0} end
local left, whole_in
left, whole_in, wait = spend(KEYS[1], ARGV[1], ARGV[2])
if tonumber(wait) > 0 then redis.pcall('HINCRBY', KEYS[4], ARGV[7], 1) end
return {left, whole_in, wait, 0}
"""
)

# KEYS: wrong keys from an address, counts. ARGV: how many, in seconds, name of the counter.
GUESS = (
    _SPENDING
    + """
redis.pcall('HINCRBY', KEYS[2], ARGV[3], 1)
return {spend(KEYS[1], ARGV[1], ARGV[2])}
"""
)
