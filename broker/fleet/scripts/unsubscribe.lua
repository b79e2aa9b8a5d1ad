#!lua flags=allow-oom
-- Rule 6: removes subscriptions of a durable session. KEYS: bucket prefix.
-- ARGV: client, epoch, are there former removals that the log may not have (0, 1), filter, ...
-- Returns 1, or 0 when fenced. A session that Redis doesn't know stays unknown: Redis lost it, and its
-- holder will assert it.
-- `pu` keeps the removals that may not be in the log, for the next claim or a reaper.
local p, c = KEYS[1], ARGV[1]
local s = p .. 's:' .. c
local h = redis.call('HMGET', s, 'epoch', 'pu')
if not h[1] then
  return 1
end
if tonumber(h[1]) > tonumber(ARGV[2]) then
  return 0
end
local gone = ARGV[3] == '1' and h[2] and cmsgpack.unpack(h[2]) or {}
for i = 4, #ARGV do
  redis.call('HDEL', p .. 'f:' .. c, ARGV[i])
  gone[#gone + 1] = ARGV[i]
end
if #gone > 0 then
  redis.call('HSET', s, 'pu', cmsgpack.pack(gone))
else
  redis.call('HDEL', s, 'pu')
end
if redis.call('EXISTS', p .. 'f:' .. c) == 0 then
  redis.call('SREM', p .. 'dir', c)
end
return 1
