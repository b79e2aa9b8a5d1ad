#!lua flags=allow-oom
-- Rule 1: one beat of a node. KEYS: fleet prefix. ARGV: node.
-- Returns {'dead'} | {'unknown', ver} | {'alive', ver, {id, counter, ...}, {victim, reaper, ...}}.
local p, node = KEYS[1], ARGV[1]
if redis.call('HEXISTS', p .. 'dead', node) == 1 then
  return {'dead'}
end
local ver = redis.call('GET', p .. 'ver') or '0'
if redis.call('HEXISTS', p .. 'nodes', node) == 0 then
  return {'unknown', ver}
end
redis.call('HINCRBY', p .. 'nodes', node, 1)
return {'alive', ver, redis.call('HGETALL', p .. 'nodes'), redis.call('HGETALL', p .. 'reap')}
