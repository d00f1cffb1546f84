-- version_of(record): the version that a record starts with; "0" when there is no record.

local function version_of(record)
  if not record then return '0' end
  return string.match(record, '^%d+') or '0'
end
