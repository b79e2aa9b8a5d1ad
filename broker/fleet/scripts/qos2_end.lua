#!lua flags=allow-oom
-- PUBREL of a durable publisher: removes the binding. KEYS: bucket prefix.
-- ARGV: client, epoch, packet id. Returns 1, or 0 when fenced.
local p, c = KEYS[1], ARGV[1]
local epoch = redis.call('HGET', p .. 's:' .. c, 'epoch')
if epoch and tonumber(epoch) > tonumber(ARGV[2]) then
  return 0
end
redis.call('HDEL', p .. 'in2:' .. c, ARGV[3])
return 1
