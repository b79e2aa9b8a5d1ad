#!lua flags=allow-oom
-- Wills whose delay is over or whose publisher died, sessions that expired, and notes of ended sessions
-- whose end may not be in the log.
-- KEYS: bucket prefix. ARGV: node, most.
-- Returns {durable sessions counted in this bucket, ms until the next one is due (-1: there is none),
--   then for each:
--   'w', client, epoch, will |
--   'b', client, epoch, node that was to publish the will and must be cut off from it first |
--   'x', '', sessions that expired, '' |
--   'e', client, epoch, {epoch, filter, options, ...}}; these subscriptions are those of a later session,
--   with its epoch or ''.
-- Each is due again until it is deleted.
local p, node = KEYS[1], ARGV[1]
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local out, fields, expired = {0, -1}, 0, 0
for _, m in ipairs(redis.call('ZRANGEBYSCORE', p .. 'due', '-inf', now, 'LIMIT', 0, ARGV[2])) do
  -- One piece (fleet_piece.h): the others stay due.
  if fields >= 500 then
    break
  end
  local c = string.sub(m, 2)
  if string.sub(m, 1, 1) == 'w' then
    local d = redis.call('HMGET', p .. 'dw:' .. c, 'epoch', 'taker', 'will')
    if not d[3] or (d[2] ~= '' and d[2] ~= '-' and string.byte(d[3], 1) % 4 == 0) then
      redis.call('DEL', p .. 'dw:' .. c)
      redis.call('ZREM', p .. 'due', m)
    else
      local busy = d[2] ~= '' and d[2] ~= '-' and d[2] ~= node
      redis.call('ZADD', p .. 'due', now + 10000, m)
      if not busy then
        redis.call('HSET', p .. 'dw:' .. c, 'taker', node)
      end
      out[#out + 1] = busy and 'b' or 'w'
      out[#out + 1] = c
      out[#out + 1] = d[1]
      out[#out + 1] = busy and d[2] or d[3]
    end
  else
    local h = redis.call('HMGET', p .. 's:' .. c, 'owner', 'xat', 'epoch', 'n')
    local ended = string.sub(m, 1, 1) == 'e'
    if not ended then
      redis.call('ZREM', p .. 'due', m)
      if h[1] == '' and h[2] and tonumber(h[2]) <= now then
        expired = expired + 1
        ended = redis.call('SREM', p .. 'dir', c) == 1
        if ended then
          redis.call('HSET', p .. 'de', c, h[3])
        end
        if h[4] == '1' then
          redis.call('DECR', p .. 'count')
        end
        h[1], h[3] = nil, nil
        redis.call('UNLINK', p .. 's:' .. c, p .. 'q:' .. c, p .. 'in2:' .. c, p .. 'rel:' .. c,
          p .. 'seen:' .. c, p .. 'f:' .. c, p .. 'g:' .. c)
      end
    end
    if ended then
      redis.call('ZADD', p .. 'due', now + 10000, 'e' .. c)
      -- The client's owner knows it from its claim, and announces it before its own changes.
      if not h[1] or h[1] == '' then
        out[#out + 1] = 'e'
        out[#out + 1] = c
        out[#out + 1] = redis.call('HGET', p .. 'de', c) or '0'
        local later = redis.call('HGETALL', p .. 'f:' .. c)
        fields = fields + #later / 2
        table.insert(later, 1, h[3] or '')
        out[#out + 1] = later
      end
    end
  end
end
if expired > 0 then
  for _, part in ipairs({'x', '', string.format('%d', expired), ''}) do
    out[#out + 1] = part
  end
end
out[1] = tonumber(redis.call('GET', p .. 'count') or 0)
local nearest = redis.call('ZRANGE', p .. 'due', 0, 0, 'WITHSCORES')[2]
if nearest then
  out[2] = math.max(0, tonumber(nearest) - now)
end
return out
