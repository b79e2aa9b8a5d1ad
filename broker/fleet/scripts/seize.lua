#!lua flags=allow-oom
-- Rule 7: this node takes the will of a former connection, or a will that is being published.
-- KEYS: bucket prefix. ARGV: client, epoch of the will, node, node that it was cut off from.
-- Returns {'none'} | {'busy', node that is publishing it} | {'will', will}.
local p, c, epoch = KEYS[1], ARGV[1], ARGV[2]
local s, dw = p .. 's:' .. c, p .. 'dw:' .. c
local h = redis.call('HMGET', s, 'ow', 'owe')
local t = redis.call('TIME')
local retry = t[1] * 1000 + 10000
if h[2] == epoch then
  redis.call('HDEL', s, 'ow', 'owe')
  redis.call('HSET', dw, 'epoch', epoch, 'taker', ARGV[3], 'will', h[1])
  redis.call('ZADD', p .. 'due', retry, 'w' .. c)
  return {'will', h[1]}
end
local d = redis.call('HMGET', dw, 'epoch', 'taker', 'will', 'u')
if d[1] ~= epoch then
  return {'none'}
end
-- The will waits for its client. When that is back, the will is void (another user's is published).
local owner = redis.call('HMGET', s, 'owner', 'u')
if d[2] == '' and (not d[4] or d[4] == owner[2]) then
  if owner[1] == ARGV[3] then
    redis.call('DEL', dw)
    redis.call('ZREM', p .. 'due', 'w' .. c)
  end
  return {'none'}
end
if d[2] ~= '-' and d[2] ~= '' and d[2] ~= ARGV[3] then
  if d[2] ~= ARGV[4] then
    return {'busy', d[2]}
  end
  if string.byte(d[3], 1) % 4 == 0 then
    -- QoS 0: at most once, and it may have gone out.
    redis.call('DEL', dw)
    redis.call('ZREM', p .. 'due', 'w' .. c)
    return {'none'}
  end
end
redis.call('HSET', dw, 'taker', ARGV[3])
redis.call('ZADD', p .. 'due', retry, 'w' .. c)
return {'will', d[3]}
