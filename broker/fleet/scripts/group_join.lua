#!lua flags=allow-oom
-- Rule 12: a connected client is a member of a group. KEYS: bucket prefix.
-- ARGV: group, client, epoch, node, has it a durable session (0, 1), ms that messages stay without a member.
-- Returns 1, or 0 when a newer connection is one.
-- `m:` of a group has its members: client -> epoch, node ('-': away), durable. `mn:<node>:<group>` has those that are
-- connected at a node, `m` of `c:` the number of all connected ones.
local p, g, c = KEYS[1], ARGV[1], ARGV[2]
local members, counts = p .. 'm:' .. g, p .. 'c:' .. g
local epoch, node = string.match(redis.call('HGET', members, c) or '', '^(%d+) (%S+)')
if epoch and tonumber(epoch) > tonumber(ARGV[3]) then
  return 0
end
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)

if redis.call('EXISTS', members) == 0 then
  if redis.call('EXISTS', p .. 't:' .. g) == 0 then
    redis.call('HSET', counts, 'i', '1') -- group_index.lua: nothing is left to be put into an index
  end
  if redis.call('EXISTS', p .. 'w:' .. g) == 1 then
    -- What a group of the configuration has kept without members for too long: group_take.lua drops it.
    redis.call('HSET', counts, 'k', string.format('%.0f', now - tonumber(ARGV[6])))
  end
  for _, kind in ipairs({'w:', 'e:', 't:', 'c:', 'd:', 'tp:'}) do
    redis.call('PERSIST', p .. kind .. g)
  end
end
if node and node ~= '-' and node ~= ARGV[4] and redis.call('SREM', p .. 'mn:' .. node .. ':' .. g, c) == 1 then
  redis.call('HINCRBY', counts, 'm', -1)
end
if redis.call('SADD', p .. 'mn:' .. ARGV[4] .. ':' .. g, c) == 1 then
  redis.call('HINCRBY', counts, 'm', 1)
end
redis.call('HSET', members, c, ARGV[3] .. ' ' .. ARGV[4] .. ' ' .. ARGV[5])
redis.call('SADD', p .. 'own:' .. ARGV[4], g)
redis.call('ZREM', p .. 'away', 'r' .. c .. '\0' .. g)
redis.call('HDEL', p .. 'looked', 'r' .. c .. '\0' .. g)
-- What former connections took and nobody has finished. That may be a call whose answer its node never got, or a copy
-- that went back although nobody was told: the session knows (group_due.lua).
if epoch ~= ARGV[3] and (redis.call('EXISTS', p .. 'tc:' .. c .. '\0' .. g) == 1 or
    redis.call('HGET', counts, 'i') ~= '1') then
  redis.call('ZADD', p .. 'away', string.format('%.0f', now), 'a' .. c .. '\0' .. g)
end
redis.call('SADD', p .. 'h:' .. g, ARGV[4])
return 1
