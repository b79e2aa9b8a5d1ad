#!lua flags=allow-oom
-- Rule 7: the will of a connection that is about to be accepted. The claim doesn't set it: a connection
-- that never got its CONNACK has no will. KEYS: bucket prefix.
-- ARGV: client, epoch, will, will delay in s. Returns 1, or 0 when fenced.
local s = KEYS[1] .. 's:' .. ARGV[1]
if redis.call('HGET', s, 'epoch') ~= ARGV[2] then
  return 0
end
redis.call('HSET', s, 'w', ARGV[3], 'wd', ARGV[4])
return 1
