#!lua flags=allow-oom
-- Wills whose delay is over (or whose publisher died), and sessions that expired.
-- KEYS: bucket prefix. ARGV: node, most. Returns {'w', client, epoch, will, 'x', client, ended, '', ...}.
local p, node = KEYS[1], ARGV[1]
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local out = {}
for _, m in ipairs(redis.call('ZRANGEBYSCORE', p .. 'due', '-inf', now, 'LIMIT', 0, ARGV[2])) do
  local c = string.sub(m, 2)
  if string.sub(m, 1, 1) == 'w' then
    local d = redis.call('HMGET', p .. 'dw:' .. c, 'epoch', 'taker', 'will')
    if not d[3] or (d[2] ~= '' and d[2] ~= '-' and string.byte(d[3], 1) % 4 == 0) then
      redis.call('DEL', p .. 'dw:' .. c)
      redis.call('ZREM', p .. 'due', m)
    else
      redis.call('HSET', p .. 'dw:' .. c, 'taker', node)
      redis.call('ZADD', p .. 'due', now + 10000, m)
      out[#out + 1] = 'w'
      out[#out + 1] = c
      out[#out + 1] = d[1]
      out[#out + 1] = d[3]
    end
  else
    redis.call('ZREM', p .. 'due', m)
    local h = redis.call('HMGET', p .. 's:' .. c, 'owner', 'xat')
    if h[1] == '' and h[2] and tonumber(h[2]) <= now then
      out[#out + 1] = 'x'
      out[#out + 1] = c
      out[#out + 1] = tostring(redis.call('SREM', p .. 'dir', c))
      out[#out + 1] = ''
      redis.call('UNLINK', p .. 's:' .. c, p .. 'q:' .. c, p .. 'in2:' .. c, p .. 'rel:' .. c,
        p .. 'seen:' .. c, p .. 'f:' .. c)
    end
  end
end
return out
