#!lua flags=allow-oom
-- Rule 12: a client is no member any more, or a durable one is away. KEYS: bucket prefix.
-- ARGV: group, client, epoch, node, does it stay a member without a connection (0, 1; c: it doesn't, and its
--   connection has ended), has it a durable session (0, 1), ms that messages stay without a member,
--   redispatch_after in ms.
-- Returns 1, or 0: it isn't listed so.
-- `away` has when a client that may have something of a group is looked after (group_due.lua).
local p, g, c = KEYS[1], ARGV[1], ARGV[2]
local members = p .. 'm:' .. g
local now = redis.call('HGET', members, c)
local head = ARGV[3] .. ' ' .. ARGV[4] .. ' '
-- The node has given back what it knew of. What is left was taken by a call whose answer it never got.
if ARGV[5] == 'c' and redis.call('HLEN', p .. 't:' .. g) <= 4096 then
  local taken = redis.call('HGETALL', p .. 't:' .. g)
  for i = 1, #taken, 2 do
    local by, whose = string.match(taken[i + 1], '^c(%d+ %S+ )%d (.*)$')
    if by == head and whose == c then
      redis.call('HDEL', p .. 't:' .. g, taken[i])
      redis.call('ZADD', p .. 'w:' .. g, string.match(taken[i], '^%d+'), taken[i])
    end
  end
end
if not now or string.sub(now, 1, #head) ~= head then
  return 0
end
redis.call('HDEL', p .. 'l:' .. g, c)
if ARGV[6] == '1' then
  local t = redis.call('TIME')
  local at = t[1] * 1000 + math.floor(t[2] / 1000) + tonumber(ARGV[8])
  redis.call('ZADD', p .. 'away', string.format('%.0f', at), 'r' .. c .. '\0' .. g)
end
if ARGV[5] == '1' then
  redis.call('HSET', members, c, ARGV[3] .. ' - 1')
  return 1
end
redis.call('HDEL', members, c)
if redis.call('EXISTS', members) == 1 then
  return 1
end
for _, kind in ipairs({'w:', 'e:', 't:', 'c:', 's:', 'l:', 'h:', 'p:'}) do
  if ARGV[7] == '0' then
    redis.call('UNLINK', p .. kind .. g)
  else
    redis.call('PEXPIRE', p .. kind .. g, ARGV[7])
  end
end
return 1
