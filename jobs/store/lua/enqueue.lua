-- Add RQ jobs for work that has none.
--
-- ARGV  for each: RQ job id, job id, RFC 3339 time
-- Needs shared/rq.lua

for i = 1, #ARGV, 3 do
  add_rq_job(ARGV[i], ARGV[i + 1], ARGV[i + 2])
end
