#!lua
-- Rule 6: a durable session's subscriptions. KEYS: bucket prefix.
-- ARGV: client, epoch, filter, options, ... Returns 1, or 0 when fenced. A session that Redis doesn't know
-- stays unknown: Redis lost it, and its holder will assert it, with these subscriptions.
local p, c = KEYS[1], ARGV[1]
local epoch = redis.call('HGET', p .. 's:' .. c, 'epoch')
if not epoch then
  return 1
end
if tonumber(epoch) > tonumber(ARGV[2]) then
  return 0
end
for i = 3, #ARGV, 2 do
  redis.call('HSET', p .. 'f:' .. c, ARGV[i], ARGV[i + 1])
end
redis.call('SADD', p .. 'dir', c)
return 1
