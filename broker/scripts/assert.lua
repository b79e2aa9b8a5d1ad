#!lua flags=allow-oom
-- Rule 9: a connection's hold after Redis came back with less than it had.
-- KEYS: bucket prefix. ARGV: client, epoch, node, durable, will, will delay, expiry in s,
-- last sequence that was sent, filter, options, ... Returns 1, or 0 when a newer connection has the
-- client id. A durable session's subscriptions are these then, and what is queued from now on comes
-- behind what was sent.
local p, c, node = KEYS[1], ARGV[1], ARGV[3]
local s, f = p .. 's:' .. c, p .. 'f:' .. c
local epoch = redis.call('HGET', s, 'epoch')
if epoch and tonumber(epoch) > tonumber(ARGV[2]) then
  return 0
end
if epoch ~= ARGV[2] or redis.call('HGET', s, 'owner') ~= node then
  redis.call('SADD', p .. 'own:' .. node, c)
  redis.call('HSET', s, 'owner', node, 'epoch', ARGV[2], 'dur', ARGV[4], 'w', ARGV[5], 'wd', ARGV[6],
    'exp', ARGV[7])
end
if ARGV[4] ~= '1' then
  return 1
end
if tonumber(redis.call('HGET', s, 'nseq') or 0) < tonumber(ARGV[8]) then
  redis.call('HSET', s, 'nseq', ARGV[8])
end
redis.call('DEL', f)
for i = 9, #ARGV, 2 do
  redis.call('HSET', f, ARGV[i], ARGV[i + 1])
end
redis.call(#ARGV > 8 and 'SADD' or 'SREM', p .. 'dir', c)
return 1
