-- Admit one request with a valid API key, by the key's rate and by the wrong keys of its address.
-- An address that sent too many wrong keys is refused even with a valid one, so that a guess
-- cannot be recognized; but not where the same key was valid within the last days.
--
-- KEYS  rate of the key, wrong keys of the address, known client
-- ARGV  quota: requests (0: unlimited), seconds; wrong keys: requests, seconds,
--       seconds for which a client stays known
-- Returns {seconds to wait ("0": admitted), 1 if the address is blocked}
-- Needs shared/gcra.lua

local wait = seconds_to_wait(KEYS[2], ARGV[3], ARGV[4])
local known_seconds = redis.call('TTL', KEYS[3])
if wait > 0 and known_seconds < 0 then return {as_text(wait), 1} end
if known_seconds < ARGV[5] / 2 then write('SET', KEYS[3], '', 'EX', ARGV[5]) end
if tonumber(ARGV[1]) == 0 then return {'0', 0} end
return {take_request(KEYS[1], ARGV[1], ARGV[2]), 0}
