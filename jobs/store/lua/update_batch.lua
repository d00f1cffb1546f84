-- Change a batch that is under way, unless another sweep was first.
--
-- KEYS  hash of the batch
-- ARGV  expected position ("any": do not compare),
--       count, then Redis commands, each led by its number of words
-- Needs shared/allow_oom.lua, shared/commands.lua

local batch_key = KEYS[1]
local expected_position = next_argument()

local position = redis.call('HGET', batch_key, 'position')
if not position then return end  -- it has ended
if expected_position ~= 'any' and expected_position ~= position then return end
allow_oom()
run_commands()
