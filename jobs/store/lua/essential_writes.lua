-- Run commands that free memory in the end, or that such work needs: also when memory is full.
--
-- ARGV  count, then Redis commands, each led by its number of words
-- Needs shared/allow_oom.lua, shared/commands.lua

allow_oom()
run_commands()
