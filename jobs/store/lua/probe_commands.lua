-- Run each command that the scripts use, on keys of its own, and delete those.
-- KEYS: a string, a hash, a sorted set, a set, a list, a stream
-- Returns the name of the first command that this user may not run, or that Redis does not know;
-- an empty text if there is none. Other errors, as of a full memory, are another check's.
local refusals = {'NOPERM', 'ACL failure', 'permission', 'run this command', 'access at least one', 'nknown'}

local text, hash, sorted, set, list, stream = unpack(KEYS)
local commands = {
  {'TIME'},
  {'SET', text, '1'},
  {'GET', text},
  {'MGET', text},
  {'EXISTS', text},
  {'EXPIRE', text, '60'},
  {'TTL', text},
  {'HSET', hash, 'a', '1'},
  {'HINCRBY', hash, 'a', '1'},
  {'HGET', hash, 'a'},
  {'HGETALL', hash},
  {'HVALS', hash},
  {'HDEL', hash, 'a'},
  {'ZADD', sorted, '1', 'a'},
  {'ZSCORE', sorted, 'a'},
  {'ZCARD', sorted},
  {'ZCOUNT', sorted, '0', '1'},
  {'ZRANGE', sorted, '0', '0'},
  {'ZRANGEBYSCORE', sorted, '0', '1'},
  {'ZREM', sorted, 'a'},
  {'SADD', set, 'a'},
  {'SCARD', set},
  {'SMEMBERS', set},
  {'SREM', set, 'a'},
  {'RPUSH', list, 'a'},
  {'LPUSH', list, 'a'},
  {'LLEN', list},
  {'LRANGE', list, '0', '-1'},
  {'LTRIM', list, '0', '0'},
  {'LPOP', list},
  {'XADD', stream, 'MAXLEN', '~', '10', '*', 'a', '1'},
  {'DEL', text, hash, sorted, set, list, stream},
}
for _, command in ipairs(commands) do
  local reply = redis.pcall(unpack(command))
  if type(reply) == 'table' and reply.err then
    for _, refusal in ipairs(refusals) do
      if string.find(reply.err, refusal, 1, true) then
        return command[1]
      end
    end
  end
end
return ''
