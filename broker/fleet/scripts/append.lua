#!lua flags=allow-oom
-- Rule 6: one entry of the log, with the routes that it adds and removes. Allowed also when Redis is
-- full: a client that connects to drain its queue needs its routes announced.
-- KEYS: fleet prefix. ARGV: node, call number, entry, most entries of the log (about), most bytes of it,
-- then per changed route: '+' or '-', filter; or '=', how many members it has here and their QoS, and a shared
-- filter.
-- Returns {'dead'} | {'unknown'} | {'ok', ver, bytes in the log}. A call number at or below the last one
-- was done before.
-- `logsize` has `put`, the bytes that were ever written, and `head`, what `put` was before the first
-- entry that is left, or less. Field b of an entry is what `put` was before it.
local p, node, call = KEYS[1], ARGV[1], tonumber(ARGV[2])
if redis.call('HEXISTS', p .. 'dead', node) == 1 then
  return {'dead'}
end
if redis.call('HEXISTS', p .. 'nodes', node) == 0 then
  return {'unknown'}
end

-- The first entry before which at least `bytes` were written. Ids are versions, without a hole.
local function first_from(bytes, ver)
  local entry = redis.call('XRANGE', p .. 'log', '-', '+', 'COUNT', 1)[1]
  local low = entry and tonumber(string.match(entry[1], '^%d+')) or ver
  local high = ver
  while low < high do
    local middle = math.floor((low + high) / 2)
    local id = string.format('%.0f-0', middle)
    local found = redis.call('XRANGE', p .. 'log', id, id)[1]
    if found and tonumber(found[2][6] or 0) >= bytes then
      high = middle
    else
      low = middle + 1
    end
  end
  return low
end

local last = redis.call('HGET', p .. 'hw', node)
if last and tonumber(last) >= call then
  return {'ok', redis.call('GET', p .. 'ver')}
end
redis.call('HSET', p .. 'hw', node, call)
for i = 6, #ARGV, 2 do
  local what, filter = string.sub(ARGV[i], 1, 1), ARGV[i + 1]
  if what == '=' then
    redis.call('HSET', p .. 'm:' .. node, filter, string.sub(ARGV[i], 2))
  else
    redis.call(what == '+' and 'SADD' or 'SREM', p .. 'n:' .. node, filter)
    if what == '-' then
      redis.call('HDEL', p .. 'm:' .. node, filter)
    end
  end
end
local ver = redis.call('INCR', p .. 'ver')
local id = string.format('%.0f-0', ver)
local size = redis.call('HMGET', p .. 'logsize', 'put', 'head')
local put, head = tonumber(size[1] or 0), tonumber(size[2] or 0)
redis.call('XADD', p .. 'log', 'MAXLEN', '~', ARGV[4], id, 'n', node, 'd', ARGV[3], 'b',
  string.format('%.0f', put))
put = put + #ARGV[3]
local most = tonumber(ARGV[5])
if put - head > most then
  -- A quarter at once, so that trimming is rare.
  head = put - math.floor(most / 4 * 3)
  redis.call('XTRIM', p .. 'log', 'MINID', string.format('%.0f-0', first_from(head, ver)))
end
redis.call('HSET', p .. 'logsize', 'put', string.format('%.0f', put), 'head',
  string.format('%.0f', head))
return {'ok', string.format('%.0f', ver), put - head}
