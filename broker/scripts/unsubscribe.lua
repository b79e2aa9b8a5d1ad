#!lua flags=allow-oom
-- KEYS: bucket prefix. ARGV: client, epoch, filter, ... Returns 1, or 0 when fenced.
-- `pu` tells a reaper which removals may not be in the log, should this node die now.
local p, c = KEYS[1], ARGV[1]
local epoch = redis.call('HGET', p .. 's:' .. c, 'epoch')
if epoch and tonumber(epoch) > tonumber(ARGV[2]) then
  return 0
end
local gone = {}
for i = 3, #ARGV do
  redis.call('HDEL', p .. 'f:' .. c, ARGV[i])
  gone[#gone + 1] = ARGV[i]
end
redis.call('HSET', p .. 's:' .. c, 'pu', cmsgpack.pack(gone))
if redis.call('EXISTS', p .. 'f:' .. c) == 0 then
  redis.call('SREM', p .. 'dir', c)
end
return 1
