#!lua flags=allow-oom
-- Rule 12: members that are away, or were, and may have something. KEYS: bucket prefix.
-- ARGV: redispatch_after in ms.
-- Returns {how many are noted, kind, group, client, epoch as a member who is away ('': it isn't),
--   {number, what was noted, ...}, ...}:
--   'a': its node died; 'r': it has been away for redispatch_after.
-- The session's slot says what is to become of each: group_return.lua.
local p = KEYS[1]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local out = {0}
for _, name in ipairs(redis.call('ZRANGEBYSCORE', p .. 'away', '-inf', string.format('%.0f', now), 'LIMIT', 0, 4)) do
  local kind, c, g = string.match(name, '^(.)(%Z*)%z(.*)$')
  local member = redis.call('HGET', p .. 'm:' .. g, c)
  local epoch, node = string.match(member or '', '^(%d+) (%S+) ')
  local has = {}
  -- What a connection takes it may be about to copy; what a former one took it isn't any more.
  local connected = node and node ~= '-' and epoch
  local taken = redis.call('HGETALL', p .. 't:' .. g)
  for i = 1, #taken, 2 do
    local by, whose = string.match(taken[i + 1], '^d%d (%d+) %S+ (.*)$')
    if whose == c and by ~= connected then
      has[#has + 1] = taken[i]
      has[#has + 1] = taken[i + 1]
    end
  end
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
