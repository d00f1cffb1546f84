-- Sends each line of a file ("<hex signature> <body>") as a callback, once.
local lines, at = {}, 0

function init(arguments)
  for line in io.lines(arguments[1]) do lines[#lines + 1] = line end
end

function request()
  at = at % #lines + 1
  local line = lines[at]
  return wrk.format("POST", "/webhooks/bfl", {
    ["Content-Type"] = "application/json",
    ["X-BFL-Signature"] = "sha256=" .. line:sub(1, 64),
  }, line:sub(66))
end
