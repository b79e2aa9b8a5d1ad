#!lua flags=allow-oom
-- A node enters the fleet, or comes back into it after Redis lost its data.
-- KEYS: fleet prefix. ARGV: node, format of the data that it writes, secret in hex for a new fleet
-- ('': the node knows the fleet as one without a secret), heartbeats of the nodes of an older format that
-- it saw stand still for a lease (as answered before; '': none), level: what it understands, which `nodes` has behind
-- the time when it joined.
-- Returns {'dead'} | {'format', the data's format, heartbeats of the nodes that are listed}
--   | {'alive', ver, number of its routes, the fleet's secret or '', former format if it was older, number of listed
--   nodes of a lower level}.
local p, node, format, secret = KEYS[1], ARGV[1], ARGV[2], ARGV[3]
if redis.call('HEXISTS', p .. 'dead', node) == 1 then
  return {'dead'}
end
local t = redis.call('TIME')
local now = string.format('%.0f', t[1] * 1000 + math.floor(t[2] / 1000))
local ver, found, former = redis.call('GET', p .. 'ver'), redis.call('GET', p .. 'format'), ''
if not ver then
  -- Versions of a new history begin above every version of a lost one, so that a node that knew
  -- the lost one sees a hole. So do the generations of the list of nodes.
  ver = now
  redis.call('SET', p .. 'ver', ver)
  redis.call('SET', p .. 'gen', now)
  redis.call('SET', p .. 'format', format)
  if secret ~= '' then
    redis.call('SET', p .. 'secret', secret, 'NX')
  end
elseif found ~= format then
  -- Data without a format number is of format 1. It is taken over once none of its brokers is left.
  local listed = redis.call('HGETALL', p .. 'nodes')
  local beats = #listed > 0 and redis.sha1hex(table.concat(listed, ' ')) or ''
  if found or beats ~= ARGV[4] then
    return {'format', found or '1', beats}
  end
  redis.call('SET', p .. 'format', format)
  former = '1'
  -- They are dead: they are put where this format looks for nodes that have stopped beating.
  for i = 1, #listed, 2 do
    redis.call('ZADD', p .. 'beats', now, listed[i])
  end
end
if redis.call('HSETNX', p .. 'nodes', node, now .. ' ' .. (ARGV[5] or '0')) == 1 then
  redis.call('INCR', p .. 'gen')
end
redis.call('ZADD', p .. 'beats', now, node)
local below, nodes = 0, redis.call('HGETALL', p .. 'nodes')
for i = 2, #nodes, 2 do
  if tonumber(string.match(nodes[i], ' (%d+)$') or 0) < tonumber(ARGV[5] or 0) then
    below = below + 1
  end
end
return {'alive', ver, redis.call('SCARD', p .. 'n:' .. node), redis.call('GET', p .. 'secret') or '',
  former, below}
