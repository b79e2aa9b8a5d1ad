#!lua flags=allow-oom
-- Rule 12: a client is no member any more, or a durable one is away. KEYS: bucket prefix.
-- ARGV: group, client, epoch, node, does it stay a member without a connection (0, 1; c: it doesn't, and its
--   connection has ended), has it a durable session (0, 1), ms that messages stay without a member,
--   redispatch_after in ms.
-- Returns {node, ...}: hungry nodes to be woken, if something waits: for this member, perhaps.
-- `away` has when a client that may have something of a group is looked after (group_due.lua).
local p, g, c = KEYS[1], ARGV[1], ARGV[2]
local members, w, t = p .. 'm:' .. g, p .. 'w:' .. g, p .. 't:' .. g
local now = redis.call('HGET', members, c)
local head = ARGV[3] .. ' ' .. ARGV[4] .. ' '

local function put_back(n)
  redis.call('HDEL', t, n)
  redis.call('ZADD', w, string.match(n, '^%d+'), n)
  local part = string.match(n, ':(%d+)$')
  if redis.call('ZREM', p .. 'tn:' .. ARGV[4] .. ':' .. g, n) == 1 and part and
    redis.call('HINCRBY', p .. 'tp:' .. g, part, -1) <= 0 then
    redis.call('HDEL', p .. 'tp:' .. g, part)
  end
end

-- The node has given back what it knew of. What is left was taken by a call whose answer it never got: the last one.
local function put_last_back()
  local last = redis.call('HGET', p .. 'l:' .. g, c) or ''
  for n in string.gmatch(string.match(last, '^%d+ (.*)$') or '', '[%d:]+') do
    local by, whose = string.match(redis.call('HGET', t, n) or '', '^c(%d+ %S+ )%d (.*)$')
    if by == head and whose == c then
      put_back(n)
    end
  end
end

local function hungry_nodes()
  if redis.call('ZCARD', w) == 0 then
    return {}
  end
  return redis.call('SPOP', p .. 'h:' .. g, redis.call('EXISTS', p .. 'p:' .. g) == 1 and 64 or 2)
end

if ARGV[5] == 'c' then
  put_last_back()
end
if not now or string.sub(now, 1, #head) ~= head then
  return hungry_nodes()
end
redis.call('HDEL', p .. 'l:' .. g, c)
if redis.call('SREM', p .. 'mn:' .. ARGV[4] .. ':' .. g, c) == 1 then
  redis.call('HINCRBY', p .. 'c:' .. g, 'm', -1)
end
if ARGV[6] == '1' then
  local time = redis.call('TIME')
  local at = time[1] * 1000 + math.floor(time[2] / 1000) + tonumber(ARGV[8])
  redis.call('ZADD', p .. 'away', string.format('%.0f', at), 'r' .. c .. '\0' .. g)
end
if ARGV[5] == '1' then
  redis.call('HSET', members, c, ARGV[3] .. ' - 1')
  return hungry_nodes()
end
redis.call('HDEL', members, c)
if redis.call('EXISTS', members) == 1 then
  return hungry_nodes()
end
for _, kind in ipairs({'w:', 'e:', 't:', 'c:', 's:', 'l:', 'h:', 'p:', 'd:', 'tp:'}) do
  if ARGV[7] == '0' then
    redis.call('UNLINK', p .. kind .. g)
  else
    redis.call('PEXPIRE', p .. kind .. g, ARGV[7])
  end
end
return {}
