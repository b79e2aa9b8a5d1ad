#!lua flags=allow-oom
-- Rule 5: binds a durable publisher's packet id to a message id. Allowed also when Redis is full: there
-- are few of them (limits.max_open_qos2), and the publish itself is held. KEYS: bucket prefix.
-- ARGV: client, epoch, packet id, message id. Returns the message id that is bound, '' when fenced.
local p, c = KEYS[1], ARGV[1]
local epoch = redis.call('HGET', p .. 's:' .. c, 'epoch')
if epoch and tonumber(epoch) > tonumber(ARGV[2]) then
  return ''
end
redis.call('HSETNX', p .. 'in2:' .. c, ARGV[3], ARGV[4])
return redis.call('HGET', p .. 'in2:' .. c, ARGV[3])
