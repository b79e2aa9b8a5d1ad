#!lua flags=allow-oom
-- Rule 6: one entry of the log, with the routes it adds and removes. Also when Redis is full: who
-- connects to drain a queue brings routes.
-- KEYS: fleet prefix. ARGV: node, call number, entry, then per changed route: '+' or '-', filter.
-- Returns {'dead'} | {'unknown'} | {'ok', ver}. A call number at or below the last one was done.
local p, node, call = KEYS[1], ARGV[1], tonumber(ARGV[2])
if redis.call('HEXISTS', p .. 'dead', node) == 1 then
  return {'dead'}
end
if redis.call('HEXISTS', p .. 'nodes', node) == 0 then
  return {'unknown'}
end
local last = redis.call('HGET', p .. 'hw', node)
if last and tonumber(last) >= call then
  return {'ok', redis.call('GET', p .. 'ver')}
end
redis.call('HSET', p .. 'hw', node, call)
for i = 4, #ARGV, 2 do
  redis.call(ARGV[i] == '+' and 'SADD' or 'SREM', p .. 'n:' .. node, ARGV[i + 1])
end
local ver = redis.call('INCR', p .. 'ver')
local id = string.format('%.0f-0', ver)
redis.call('XADD', p .. 'log', 'MAXLEN', '~', 20000, id, 'n', node, 'd', ARGV[3])
return {'ok', string.format('%.0f', ver)}
