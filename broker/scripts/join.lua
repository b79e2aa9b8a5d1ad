#!lua flags=allow-oom
-- A node enters the fleet, or comes back into it after Redis lost its data.
-- KEYS: fleet prefix. ARGV: node. Returns {'dead'} | {'alive', ver, number of its routes}.
local p, node = KEYS[1], ARGV[1]
if redis.call('HEXISTS', p .. 'dead', node) == 1 then
  return {'dead'}
end
redis.call('HSETNX', p .. 'nodes', node, 1)
local ver = redis.call('GET', p .. 'ver')
if not ver then
  -- Versions of a new history begin above every version of a lost one, so that a node that knew
  -- the lost one sees a hole.
  local t = redis.call('TIME')
  ver = string.format('%.0f', t[1] * 1000 + math.floor(t[2] / 1000))
  redis.call('SET', p .. 'ver', ver)
end
return {'alive', ver, redis.call('SCARD', p .. 'n:' .. node)}
