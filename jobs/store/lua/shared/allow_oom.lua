-- allow_oom(): have Redis take all writes of this script although its memory is full. In every
-- version Redis refuses a script for want of memory at its first write or not at all, and DEL needs
-- none. The flag `allow-oom` does the same, but no Redis before version 7 knows it.

local function allow_oom()
  redis.call('DEL', 'fluxkeep:none')
end
