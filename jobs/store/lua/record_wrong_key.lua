-- Count a wrong API key against its address.
--
-- KEYS  wrong keys of the address
-- ARGV  quota: requests, seconds
-- Returns seconds to wait ("0": admitted)
-- Needs shared/gcra.lua

local wrong_keys_key = KEYS[1]
local requests_max = tonumber(ARGV[1])
local quota_seconds = tonumber(ARGV[2])

return take_request(wrong_keys_key, requests_max, quota_seconds)
