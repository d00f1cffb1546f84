-- next_argument(), next_number(): read ARGV from its start, one value at a time.
-- run_commands(): run the Redis commands that come next: their count, then each command led by
-- its number of words.

local arguments_read = 0

local function next_argument()
  arguments_read = arguments_read + 1
  return ARGV[arguments_read]
end

local function next_number()
  return tonumber(next_argument())
end

local function run_commands()
  for _ = 1, next_number() do
    local words = next_number()
    redis.call(unpack(ARGV, arguments_read + 1, arguments_read + words))
    arguments_read = arguments_read + words
  end
end
