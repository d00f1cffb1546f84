-- The refused callbacks of several jobs, the latest first.
--
-- KEYS  refused callbacks of each job
-- Returns a list for each key

local found = {}
for n, key in ipairs(KEYS) do found[n] = redis.call('LRANGE', key, 0, -1) end
return found
