#!lua flags=allow-oom
-- Rule 9: one piece of the many subscriptions of a session that was asserted just now. With the last
-- piece, all pieces together replace the subscriptions that are there.
-- KEYS: bucket prefix. ARGV: client, epoch, is it the first piece (0, 1), the last one (0, 1), filter,
-- options, ... Returns 1, or 0 when another connection has the session.
local p, c = KEYS[1], ARGV[1]
local f, new = p .. 'f:' .. c, p .. 'fa:' .. c
if redis.call('HGET', p .. 's:' .. c, 'epoch') ~= ARGV[2] then
  return 0
end
if ARGV[3] == '1' then
  redis.call('UNLINK', new)
end
redis.call('HSET', new, unpack(ARGV, 5))
redis.call('PEXPIRE', new, 3600000) -- its node may die before the last one
if ARGV[4] == '1' then
  redis.call('UNLINK', f)
  redis.call('RENAME', new, f)
  redis.call('PERSIST', f)
  redis.call('SADD', p .. 'dir', c)
end
return 1
