-- parse_queue(name): the model and the account ("" or "@name") of a submission queue; of one whose
-- jobs wait for a budget or for their API key also the price of each ("" where they do not wait for
-- a budget) and the name of that key.

local function parse_queue(name)
  local scope, price, key = string.match(name, '^([^\t]*)\t([^\t]*)\t(.*)$')
  local model, account = string.match(scope or name, '^([^@]*)(.*)$')
  return model, account, price, key
end
