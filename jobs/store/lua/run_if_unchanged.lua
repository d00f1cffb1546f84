-- Run commands if a job record still has the expected version.
--
-- KEYS  job record
-- ARGV  expected version ("0": no record, "any": do not compare),
--       count, then Redis commands, each led by its number of words
-- Returns 1, or 0 when the version differs
-- Needs shared/version.lua, shared/commands.lua

local expected = next_argument()  -- I4: compare and set
if expected ~= 'any' and expected ~= version_of(redis.call('GET', KEYS[1])) then return 0 end
run_commands()
return 1
