-- is_queue_full(waiting, most, share): whether `most` submissions wait in the sorted set `waiting`,
-- or Redis uses more than `share` of its `maxmemory`. Without `maxmemory` only the number counts.

local function is_queue_full(waiting, most, share)
  if redis.call('ZCARD', waiting) >= most then return true end
  local info = redis.pcall('INFO', 'memory')  -- a provider may forbid it
  if type(info) ~= 'string' then return false end
  local used = tonumber(string.match(info, 'used_memory:(%d+)'))
  local allowed = tonumber(string.match(info, 'maxmemory:(%d+)'))
  return allowed ~= nil and allowed > 0 and used > allowed * share
end
