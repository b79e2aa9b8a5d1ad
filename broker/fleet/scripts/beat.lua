#!lua flags=allow-oom
-- Rule 1: one heartbeat of a node. Its cost doesn't grow with the fleet: only nodes whose last heartbeat
-- is old are named, and all nodes only when one has joined or left.
-- KEYS: fleet prefix. ARGV: node, age in ms from which a heartbeat is old, generation of the list of
-- nodes that it has.
-- Returns {'dead'} | {'unknown', ver} | {'alive', ver, Redis' time in ms, generation,
--   {node, time of its heartbeat, ...}, {dead node, its reaper, is the reaper in `nodes`, ...},
--   {node, ...} or '' when the generation is the same}.
local p, node, old = KEYS[1], ARGV[1], tonumber(ARGV[2])
if redis.call('HEXISTS', p .. 'dead', node) == 1 then
  return {'dead'}
end
local ver = redis.call('GET', p .. 'ver') or '0'
if redis.call('HEXISTS', p .. 'nodes', node) == 0 then
  return {'unknown', ver}
end
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
redis.call('ZADD', p .. 'beats', now, node)
local stand = redis.call('ZRANGE', p .. 'beats', '-inf', now - old, 'BYSCORE', 'LIMIT', 0, 500,
  'WITHSCORES')
-- If Redis' clock was set back, heartbeats of its future count as old, too.
local ahead = redis.call('ZRANGE', p .. 'beats', now + old, '+inf', 'BYSCORE', 'LIMIT', 0, 500,
  'WITHSCORES')
for i = 1, #ahead do
  stand[#stand + 1] = ahead[i]
end
local reap, reaping = redis.call('HGETALL', p .. 'reap'), {}
for i = 1, #reap, 2 do
  reaping[#reaping + 1] = reap[i]
  reaping[#reaping + 1] = reap[i + 1]
  reaping[#reaping + 1] = redis.call('HEXISTS', p .. 'nodes', reap[i + 1])
end
local generation = redis.call('GET', p .. 'gen') or '0'
return {'alive', ver, string.format('%.0f', now), generation, stand, reaping,
  generation ~= ARGV[3] and redis.call('HKEYS', p .. 'nodes') or ''}
