-- Admit one request with a valid API key, by the key's rate and by the wrong keys of its address.
-- An address that sent too many wrong keys is refused even with a valid one, so that a guess
-- cannot be recognized; but not where the same key was valid within the last days.
--
-- KEYS  1  rate of the key
--       2  wrong keys of the address
--       3  known client
-- ARGV  1  quota: requests (0: unlimited)
--       2  quota: seconds
--       3  wrong keys: requests
--       4  wrong keys: seconds
--       5  seconds for which a client stays known
-- Returns {seconds to wait ("0": admitted), 1 if the address is blocked}
-- Needs shared/gcra.lua

local rate_key = KEYS[1]
local wrong_keys_key = KEYS[2]
local known_client_key = KEYS[3]
local requests_max = tonumber(ARGV[1])
local quota_seconds = tonumber(ARGV[2])
local wrong_keys_max = tonumber(ARGV[3])
local wrong_keys_seconds = tonumber(ARGV[4])
local known_client_seconds = tonumber(ARGV[5])

local wait = seconds_to_wait(wrong_keys_key, wrong_keys_max, wrong_keys_seconds)
local seconds_known = redis.call('TTL', known_client_key)  -- negative: the client is not known
if wait > 0 and seconds_known < 0 then return {as_text(wait), 1} end
if seconds_known < known_client_seconds / 2 then
  write('SET', known_client_key, '', 'EX', known_client_seconds)
end
if requests_max == 0 then return {'0', 0} end
return {take_request(rate_key, requests_max, quota_seconds), 0}
