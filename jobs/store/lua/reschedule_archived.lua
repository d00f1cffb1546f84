-- Set when the sweep looks at archived jobs next, unless a writer has set it meanwhile.
--
-- KEYS  archive_due
-- ARGV  job id, score that was read, new score (empty: none) of each

for i = 1, #ARGV, 3 do
  local score = redis.call('ZSCORE', KEYS[1], ARGV[i])
  if score and tonumber(score) == tonumber(ARGV[i + 1]) then
    if ARGV[i + 2] == '' then
      redis.call('ZREM', KEYS[1], ARGV[i])
    else
      redis.call('ZADD', KEYS[1], ARGV[i + 2], ARGV[i])
    end
  end
end
