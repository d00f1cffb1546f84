-- Add RQ jobs for work that has none.
--
-- ARGV  for each: job id, RQ job id, RFC 3339 time
-- Needs shared/allow_oom.lua, shared/rq.lua

allow_oom()
for i = 1, #ARGV, 3 do
  add_rq_job(ARGV[i + 1], ARGV[i], ARGV[i + 2])
end
