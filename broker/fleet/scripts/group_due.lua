#!lua flags=allow-oom
-- Rule 12: members that are away, or were, and may have something. KEYS: bucket prefix.
-- ARGV: redispatch_after in ms.
-- Returns {how many are noted, kind, group, client, epoch as a member who is away ('': it isn't),
--   {number, what was noted, ...}, ...}:
--   'a': its node died; 'r': it has been away for redispatch_after.
-- The session's slot says what is to become of each: group_return.lua.
-- A group's messages are looked through once for all of its members that are due. Beyond so many (messages, looked
-- through and returned) the others stay due.
local NAMES, LOOKED, RETURNED = 32, 10000, 2000
local p = KEYS[1]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local out, groups, looked, returned = {0}, {}, 0, 0

-- Of a group: client -> number, what was noted, epoch, ... of what durable members have taken.
local function taken_by_client(g)
  if groups[g] then
    return groups[g]
  end
  local clients = {}
  local taken = redis.call('HGETALL', p .. 't:' .. g)
  for i = 1, #taken, 2 do
    local by, whose = string.match(taken[i + 1], '^d%d (%d+) %S+ (.*)$')
    if whose then
      local has = clients[whose] or {}
      clients[whose] = has
      local n = #has
      has[n + 1], has[n + 2], has[n + 3] = taken[i], taken[i + 1], by
    end
  end
  groups[g] = clients
  looked = looked + #taken / 2
  return clients
end

local due = redis.call('ZRANGEBYSCORE', p .. 'away', '-inf', string.format('%.0f', now), 'LIMIT', 0, NAMES)
for _, name in ipairs(due) do
  local kind, c, g = string.match(name, '^(.)(%Z*)%z(.*)$')
  if returned >= RETURNED or (looked >= LOOKED and not groups[g]) then
    break
  end
  local member = redis.call('HGET', p .. 'm:' .. g, c)
  local epoch, node = string.match(member or '', '^(%d+) (%S+) ')
  local has = {}
  -- What a connection takes it may be about to copy; what a former one took it isn't any more.
  local connected = node and node ~= '-' and epoch
  local taken = taken_by_client(g)[c] or {}
  for i = 1, #taken, 3 do
    if taken[i + 2] ~= connected then
      has[#has + 1] = taken[i]
      has[#has + 1] = taken[i + 1]
    end
  end
  returned = returned + #has / 2
  if not connected or #has > 0 then
    out[#out + 1] = kind
    out[#out + 1] = g
    out[#out + 1] = c
    out[#out + 1] = not connected and epoch or ''
    out[#out + 1] = has
  end
  if #has > 0 or (kind == 'r' and node == '-') then
    redis.call('ZADD', p .. 'away', string.format('%.0f', now + tonumber(ARGV[1])), name)
  else
    redis.call('ZREM', p .. 'away', name)
  end
end
out[1] = redis.call('ZCARD', p .. 'away')
return out
