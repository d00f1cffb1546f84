-- The refused callbacks of several jobs, the latest first.
--
-- KEYS  refused callbacks of each job
-- Returns a list for each key

local callbacks = {}
for _, key in ipairs(KEYS) do
  table.insert(callbacks, redis.call('LRANGE', key, 0, -1))
end
return callbacks
