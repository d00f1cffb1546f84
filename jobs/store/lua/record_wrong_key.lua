-- Count a wrong API key against its address.
--
-- KEYS  wrong keys of the address
-- ARGV  quota: requests, seconds
-- Returns seconds to wait ("0": admitted)
-- Needs shared/gcra.lua

return take_request(KEYS[1], ARGV[1], ARGV[2])
