-- Generic cell rate algorithm (GCRA). A key holds the time at which its whole quota is back and
-- does not exist when all of it is there. When Redis is full, nothing is counted and nothing fails.
--
-- write(command ...): run a command unless Redis is full; other errors, such as READONLY, are raised.
-- seconds_to_wait(key, requests, seconds): until another request fits the quota; 0: now.
-- take_request(key, requests, seconds): take one request from the quota; returns seconds to wait
-- ("0": admitted).

local time = redis.call('TIME')
local now = time[1] + time[2] / 1e6

local function write(...)
  local reply = redis.pcall(...)
  if type(reply) == 'table' and reply.err and not reply.err:find('OOM') then redis.call(...) end
end

local function full_at(key, seconds)
  local at = tonumber(redis.call('GET', key) or 0)
  if at > now + 2 * seconds then return now end  -- the clock has been set back
  return math.max(at, now)
end

local function seconds_to_wait(key, requests, seconds)
  return math.max(full_at(key, seconds) + seconds / requests - now - seconds, 0)
end

local function as_text(seconds)
  return string.format('%.6f', seconds)
end

local function take_request(key, requests, seconds)
  local wait = seconds_to_wait(key, requests, seconds)
  if wait > 0 then return as_text(wait) end
  local full = full_at(key, seconds) + seconds / requests
  write('SET', key, as_text(full), 'PX', math.ceil((full - now) * 1000))
  return '0'
end
