#!lua flags=allow-oom
-- A connection ended. KEYS: bucket prefix. ARGV: client, epoch, node, publish its will (0, 1),
-- least delay of the will in ms, session expiry in s (-1: never), highest sequence sent, are there
-- removals of subscriptions that the log may not have (0, 1).
-- Returns {'ok' | 'fenced' | 'lost' (Redis knows no such connection, or only older ones), session
--   with subscriptions ended (0, 1), will to be published now}.
local p, c, epoch, node = KEYS[1], ARGV[1], ARGV[2], ARGV[3]
local s = p .. 's:' .. c
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local expiry = tonumber(ARGV[6])

local function publish(will, delay)
  if not will or will == '' or ARGV[4] ~= '1' then
    return ''
  end
  delay = tonumber(delay or 0) * 1000
  if expiry >= 0 then
    delay = math.min(delay, expiry * 1000)
  end
  delay = math.max(delay, tonumber(ARGV[5]))
  redis.call('HSET', p .. 'dw:' .. c, 'epoch', epoch, 'taker', delay > 0 and '' or node,
    'will', will, 'u', redis.call('HGET', s, 'u') or '')
  if delay > 0 then
    redis.call('ZADD', p .. 'due', now + delay, 'w' .. c)
    return ''
  end
  redis.call('ZADD', p .. 'due', now + 10000, 'w' .. c)
  return will
end

-- The end of the session isn't in the log yet.
local function untold()
  return redis.call('ZSCORE', p .. 'due', 'e' .. c) and 1 or 0
end

-- A repeat: a will that this node took and hasn't cleared is still there.
local dw = redis.call('HMGET', p .. 'dw:' .. c, 'epoch', 'taker', 'will')
local h = redis.call('HMGET', s, 'epoch', 'dur', 'w', 'wd', 'ow', 'owe', 'owner')
if dw[1] == epoch and dw[2] == node then
  return {'ok', h[1] and 0 or untold(), dw[3]}
end
if not h[1] then
  return {'lost', untold(), ''}
end
local word = 'ok'
if tonumber(h[1]) < tonumber(epoch) then
  -- Redis came back with less than it had. Whoever owned the client then let go of it long ago.
  word = 'lost'
  redis.call('SREM', p .. 'own:' .. (h[7] or ''), c)
  redis.call('HSET', s, 'owner', node, 'epoch', epoch, 'dur', expiry ~= 0 and '1' or '0')
  redis.call('HDEL', s, 'w', 'wd', 'ow', 'owe')
  h = redis.call('HMGET', s, 'epoch', 'dur', 'w', 'wd', 'ow', 'owe', 'owner')
end
if h[1] ~= epoch then
  local will = ''
  if h[6] == epoch then
    redis.call('HDEL', s, 'ow', 'owe')
    -- A will that waits for its client to come back (a drained broker's) is void: it is back already.
    if ARGV[5] == '0' then
      will = publish(h[5], 0)
    end
  end
  return {'fenced', 0, will}
end
if h[7] == '' then
  return {'ok', 0, ''}
end
local will = publish(h[3], h[4])
redis.call('SREM', p .. 'own:' .. node, c)
if h[2] == '1' and expiry ~= 0 then
  -- What an earlier connection was sent stays sent, although this one may not have read so far.
  local sent = math.max(tonumber(redis.call('HGET', s, 'ds') or 0), tonumber(ARGV[7]))
  redis.call('HSET', s, 'owner', '', 'ds', string.format('%.0f', sent))
  redis.call('HDEL', s, 'w', 'wd', 'token')
  if ARGV[8] == '0' then
    redis.call('HDEL', s, 'pu')
  end
  if expiry > 0 then
    local at = string.format('%.0f', now + expiry * 1000)
    redis.call('HSET', s, 'xat', at)
    redis.call('ZADD', p .. 'due', at, 'x' .. c)
  end
  return {word, 0, will}
end
local ended = redis.call('SREM', p .. 'dir', c)
if ended == 1 then
  redis.call('ZADD', p .. 'due', now + 10000, 'e' .. c)
  redis.call('HSET', p .. 'de', c, epoch)
end
redis.call('UNLINK', s, p .. 'q:' .. c, p .. 'in2:' .. c, p .. 'rel:' .. c, p .. 'seen:' .. c,
  p .. 'f:' .. c)
return {word, ended, will}
