#!lua flags=allow-oom
-- Rule 1: declares a node dead if its last heartbeat is still the one that the observer saw. A node that
-- leaves does this to itself, with the heartbeat ''.
-- KEYS: fleet prefix. ARGV: victim, time of its heartbeat, observer, log entry. Returns 1 when it did.
local p, victim, beat, observer = KEYS[1], ARGV[1], ARGV[2], ARGV[3]
if victim ~= observer and redis.call('HEXISTS', p .. 'dead', observer) == 1 then
  return 0
end
if redis.call('HEXISTS', p .. 'nodes', victim) == 0 then
  return 0
end
if beat ~= '' and redis.call('ZSCORE', p .. 'beats', victim) ~= beat then
  return 0
end
local t = redis.call('TIME')
redis.call('HDEL', p .. 'nodes', victim)
redis.call('ZREM', p .. 'beats', victim)
redis.call('INCR', p .. 'gen')
redis.call('HDEL', p .. 'hw', victim)
redis.call('UNLINK', p .. 'n:' .. victim, p .. 'm:' .. victim)
redis.call('HSET', p .. 'dead', victim, t[1])
redis.call('HSET', p .. 'reap', victim, observer)
-- The dead are remembered for a day; some that died longer ago are forgotten here.
local old = redis.call('HRANDFIELD', p .. 'dead', 16, 'WITHVALUES')
for i = 1, #old, 2 do
  if tonumber(old[i + 1]) < tonumber(t[1]) - 86400 then
    redis.call('HDEL', p .. 'dead', old[i])
  end
end
local ver = redis.call('INCR', p .. 'ver')
redis.call('XADD', p .. 'log', string.format('%.0f-0', ver),
  'n', observer, 'd', ARGV[4], 'b', redis.call('HGET', p .. 'logsize', 'put') or '0')
return 1
