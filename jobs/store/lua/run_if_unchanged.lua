-- Run commands if a job record still has the expected version.
--
-- KEYS  job record
-- ARGV  expected version ("0": no record, "any": do not compare),
--       count, then Redis commands, each led by its number of words
-- Returns 1, or 0 when the version differs
-- Needs shared/version.lua, shared/commands.lua

local record_key = KEYS[1]
local expected_version = next_argument()

if expected_version ~= 'any' then  -- I4: compare and set
  local record = redis.call('GET', record_key)
  if version_of(record) ~= expected_version then return 0 end
end
run_commands()
return 1
