-- Count a wrong API key against its address.
--
-- KEYS  wrong keys of the address, counters
-- ARGV  quota: requests, seconds; name of the counter
-- Returns {requests that remain, seconds until the whole quota is back, seconds to wait}
-- Needs shared/gcra.lua

write('HINCRBY', KEYS[2], ARGV[3], 1)
return {take_request(KEYS[1], ARGV[1], ARGV[2])}
