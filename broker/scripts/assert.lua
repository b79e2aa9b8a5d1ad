#!lua flags=allow-oom
-- Rule 9: a connection's hold after Redis came back with less than it had.
-- KEYS: bucket prefix. ARGV: client, epoch, node, durable, will, will delay, expiry in s,
-- filter, options, ... Returns 1, or 0 when a newer connection has the client id.
local p, c, node = KEYS[1], ARGV[1], ARGV[3]
local s = p .. 's:' .. c
local epoch = redis.call('HGET', s, 'epoch')
if epoch and tonumber(epoch) > tonumber(ARGV[2]) then
  return 0
end
if epoch == ARGV[2] and redis.call('HGET', s, 'owner') == node then
  return 1
end
redis.call('SADD', p .. 'own:' .. node, c)
redis.call('HSET', s, 'owner', node, 'epoch', ARGV[2], 'dur', ARGV[4], 'w', ARGV[5], 'wd', ARGV[6],
  'exp', ARGV[7])
for i = 8, #ARGV, 2 do
  redis.call('HSET', p .. 'f:' .. c, ARGV[i], ARGV[i + 1])
  redis.call('SADD', p .. 'dir', c)
end
return 1
