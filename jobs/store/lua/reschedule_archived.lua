-- Set when the sweep looks at archived jobs next, unless a writer has set it meanwhile.
--
-- KEYS  archive_due, archive_refused
-- ARGV  job id, score that was read, new score (empty: none), "1" if its row was refused, of each

for i = 1, #ARGV, 4 do
  local id, new = ARGV[i], ARGV[i + 2]
  local score = redis.call('ZSCORE', KEYS[1], id)
  if score and tonumber(score) == tonumber(ARGV[i + 1]) then
    if new == '' then
      redis.call('ZREM', KEYS[1], id)
    else
      redis.call('ZADD', KEYS[1], new, id)
    end
    if ARGV[i + 3] == '1' then
      redis.call('ZADD', KEYS[2], new, id)
    else
      redis.call('ZREM', KEYS[2], id)
    end
  end
end
