-- Add RQ jobs for work that has none.
--
-- ARGV  for each: job id, RQ job id, RFC 3339 time
-- Needs shared/allow_oom.lua, shared/rq.lua

allow_oom()
for i = 1, #ARGV, 3 do
  local job_id = ARGV[i]
  local rq_job_id = ARGV[i + 1]
  local created_at = ARGV[i + 2]
  add_rq_job(rq_job_id, job_id, created_at)
end
