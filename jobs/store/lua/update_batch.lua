-- Change a batch that is under way, unless another sweep was first.
--
-- KEYS  hash of the batch
-- ARGV  expected position ("any": do not compare),
--       count, then Redis commands, each led by its number of words
-- Needs shared/allow_oom.lua, shared/commands.lua

local position, expected = redis.call('HGET', KEYS[1], 'position'), next_argument()
if position and (expected == 'any' or expected == position) then
  allow_oom()
  run_commands()
end
