#!lua flags=allow-oom
-- Rule 12: a connected client is a member of a group. KEYS: bucket prefix.
-- ARGV: group, client, epoch, node, has it a durable session (0, 1), ms that messages stay without a member.
-- Returns 1, or 0 when a newer connection is one.
-- `m:` of a group has its members: client -> epoch, node ('-': away), durable.
local p, g, c = KEYS[1], ARGV[1], ARGV[2]
local now = redis.call('HGET', p .. 'm:' .. g, c)
if now and tonumber(string.match(now, '^%d+')) > tonumber(ARGV[3]) then
  return 0
end

-- What its former connection took last, with a call whose answer that node perhaps never got: group_due.lua
-- has it looked after. Of what the node knows the session has a copy.
local function look_after_last_take()
  local last = redis.call('HGET', p .. 'l:' .. g, c) or ''
  for n in string.gmatch(string.match(last, '^%d+ (.*)$') or '', '%d+') do
    local by, whose = string.match(redis.call('HGET', p .. 't:' .. g, n) or '', '^d%d (%d+) %S+ (.*)$')
    if whose == c and by ~= ARGV[3] then
      local t = redis.call('TIME')
      local at = string.format('%.0f', t[1] * 1000 + math.floor(t[2] / 1000))
      redis.call('ZADD', p .. 'away', at, 'r' .. c .. '\0' .. g)
      return
    end
  end
end

if redis.call('EXISTS', p .. 'm:' .. g) == 0 then
  -- What a group of the configuration has kept without members, and not for too long.
  local t = redis.call('TIME')
  local from = t[1] * 1000 + math.floor(t[2] / 1000) - tonumber(ARGV[6])
  local first = redis.call('ZRANGE', p .. 'w:' .. g, 0, 0)[1]
  while first and tonumber(string.match(redis.call('HGET', p .. 'e:' .. g, first) or '0', '^%d+')) < from do
    redis.call('ZREM', p .. 'w:' .. g, first)
    redis.call('HDEL', p .. 'e:' .. g, first)
    first = redis.call('ZRANGE', p .. 'w:' .. g, 0, 0)[1]
  end
  for _, kind in ipairs({'w:', 'e:', 't:', 'c:'}) do
    redis.call('PERSIST', p .. kind .. g)
  end
end
redis.call('HSET', p .. 'm:' .. g, c, ARGV[3] .. ' ' .. ARGV[4] .. ' ' .. ARGV[5])
redis.call('SADD', p .. 'own:' .. ARGV[4], g)
redis.call('ZREM', p .. 'away', 'r' .. c .. '\0' .. g)
look_after_last_take()
redis.call('SADD', p .. 'h:' .. g, ARGV[4])
return 1
