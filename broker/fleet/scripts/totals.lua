#!lua flags=allow-oom
-- What the nodes of the fleet have and have counted, added up.
-- KEYS: fleet prefix. ARGV: node, how many of its figures are as of now (they come first; the others
-- count up), figure, ...
-- Returns {nodes, sum, ...}, or {} when the fleet doesn't know the node.
-- `totals`: each node -> its figures, `all` -> their sums, `gen` -> the list of nodes that these are for.
-- When a node has gone, its figures as of now leave the sums. What it had counted stays in them. A call
-- that comes twice, or late from a node that is dead, changes nothing.
local p, node, now = KEYS[1], ARGV[1], tonumber(ARGV[2])
local h = p .. 'totals'
if redis.call('HEXISTS', p .. 'nodes', node) == 0 then
  return {}
end
local function numbers(text)
  local out = {}
  for n in string.gmatch(text or '', '%d+') do
    out[#out + 1] = tonumber(n)
  end
  return out
end
local known = redis.call('HMGET', h, 'all', 'gen', node)
local all, before, gen = numbers(known[1]), numbers(known[3]), redis.call('GET', p .. 'gen') or '0'
for i = 1, #ARGV - 2 do
  all[i] = (all[i] or 0) + tonumber(ARGV[i + 2]) - (before[i] or 0)
end
if gen ~= known[2] then
  for _, other in ipairs(redis.call('HKEYS', h)) do
    if other ~= 'all' and other ~= 'gen' and redis.call('HEXISTS', p .. 'nodes', other) == 0 then
      local gone = numbers(redis.call('HGET', h, other))
      for i = 1, now do
        all[i] = all[i] - (gone[i] or 0)
      end
      redis.call('HDEL', h, other)
    end
  end
end
local out, text = {redis.call('HLEN', p .. 'nodes')}, {}
for i = 1, #all do
  out[i + 1] = all[i]
  text[i] = string.format('%.0f', all[i])
end
redis.call('HSET', h, 'all', table.concat(text, ' '), 'gen', gen, node, table.concat(ARGV, ' ', 3))
return out
