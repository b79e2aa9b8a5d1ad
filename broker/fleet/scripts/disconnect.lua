#!lua flags=allow-oom
-- A connection ended. KEYS: bucket prefix. ARGV: client, epoch, node, publish its will (0, 1),
-- least delay of the will in ms (then any connection of the client cancels it), session expiry in s (-1: never), highest sequence sent, are there
-- removals of subscriptions that the log may not have (0, 1).
-- Returns {'ok' | 'fenced' | 'lost' (Redis knows no such connection, or only older ones), has a
--   session with subscriptions ended (0, 1), will to be published now}.
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
  local of_session = delay > 0 and ARGV[5] == '0'
  delay = math.max(delay, tonumber(ARGV[5]))
  local user = redis.call('HGET', s, 'u')
  redis.call('DEL', p .. 'dw:' .. c)
  redis.call('HSET', p .. 'dw:' .. c, 'epoch', epoch, 'taker', delay > 0 and '' or node, 'will', will)
  if user then
    redis.call('HSET', p .. 'dw:' .. c, 'u', user)
  end
  if of_session then
    redis.call('HSET', p .. 'dw:' .. c, 'd', 1)
  end
  if delay > 0 then
    redis.call('ZADD', p .. 'due', now + delay, 'w' .. c)
    return ''
  end
  redis.call('ZADD', p .. 'due', now + 10000, 'w' .. c)
  return will
end

-- Whether the end of the session isn't in the log yet.
local function untold()
  return redis.call('ZSCORE', p .. 'due', 'e' .. c) and 1 or 0
end

-- This connection took the will of the former connection over and didn't publish it. Now the former
-- connection's node (the last one of `lo`) may publish it when it hands the client over, or the node that
-- cuts that node off. At QoS 0 any node may.
local function leave_former_will()
  local h = redis.call('HMGET', s, 'ow', 'owe', 'lo')
  if not h[1] or redis.call('EXISTS', p .. 'dw:' .. c) == 1 then
    return
  end
  local taker = h[3] and string.byte(h[1], 1) % 4 ~= 0 and string.sub(h[3], -16) or '-'
  redis.call('HDEL', s, 'ow', 'owe')
  redis.call('HSET', p .. 'dw:' .. c, 'epoch', h[2], 'taker', taker, 'will', h[1])
  redis.call('ZADD', p .. 'due', taker == '-' and now or now + 2000, 'w' .. c)
end

-- Keeps only the nodes that may still have an older connection: the next claim must ask them.
local function forget_session()
  local lo = redis.call('HGET', s, 'lo')
  redis.call('UNLINK', s, p .. 'q:' .. c, p .. 'in2:' .. c, p .. 'rel:' .. c, p .. 'seen:' .. c,
    p .. 'f:' .. c, p .. 'g:' .. c)
  if lo then
    redis.call('HSET', s, 'owner', '', 'epoch', epoch, 'dur', '0', 'lo', lo)
    redis.call('EXPIRE', s, 86400)
  end
end

local h = redis.call('HMGET', s, 'epoch', 'dur', 'w', 'wd', 'ow', 'owe', 'owner', 'n')
local is_gone = not h[1] or (h[1] == epoch and h[2] ~= '1' and h[7] == '')
-- A will that this node is to publish: it took the will and hasn't cleared it, or the node that took it
-- over gave it back. (Not when the session is connected as before: it was asserted meanwhile, and ends now.)
local dw = redis.call('HMGET', p .. 'dw:' .. c, 'epoch', 'taker', 'will')
if dw[1] == epoch and dw[2] == node and not (h[1] == epoch and h[7] == node) then
  redis.call('DEL', p .. 'dw:' .. c)
  redis.call('ZREM', p .. 'due', 'w' .. c)
  return {'ok', is_gone and untold() or 0, publish(dw[3], 0)}
end
if not h[1] then
  return {'lost', untold(), ''}
end
local word = 'ok'
if tonumber(h[1]) < tonumber(epoch) then
  -- Redis came back with less than it had. The owner that it knows gave the client up long ago.
  word = 'lost'
  redis.call('SREM', p .. 'own:' .. (h[7] or ''), c)
  local durable = expiry ~= 0 and '1' or '0'
  redis.call('HSET', s, 'owner', node, 'epoch', epoch, 'dur', durable, 'n', durable)
  if (h[8] == '1') ~= (durable == '1') then
    redis.call('INCRBY', p .. 'count', durable == '1' and 1 or -1)
  end
  redis.call('HDEL', s, 'w', 'wd', 'ow', 'owe')
  h = redis.call('HMGET', s, 'epoch', 'dur', 'w', 'wd', 'ow', 'owe', 'owner', 'n')
end
if h[1] ~= epoch then
  local will = ''
  if h[6] == epoch then
    -- A will that waits for its client to come back (a drained broker's) is void once the client is back.
    redis.call('HDEL', s, 'ow', 'owe')
    will = publish(h[5], 0)
  end
  return {'fenced', 0, will}
end
if h[7] == '' then
  return {'ok', is_gone and untold() or 0, ''}
end
local will = publish(h[3], h[2] == '1' and h[4] or 0)
leave_former_will()
redis.call('SREM', p .. 'own:' .. node, c)
if h[2] == '1' and expiry ~= 0 then
  -- What an earlier connection was sent counts as sent, although this one may not have read so far.
  local d = redis.call('HMGET', s, 'ds', 'dc')
  local sent = math.max(tonumber(d[1] or 0), tonumber(ARGV[7]))
  redis.call('HSET', s, 'owner', '', 'ds', string.format('%.0f', sent))
  if d[2] and tonumber(ARGV[7]) >= sent then
    redis.call('HDEL', s, 'dc')
  elseif d[2] and tonumber(ARGV[7]) > tonumber(d[2]) then
    redis.call('HSET', s, 'dc', ARGV[7])
  end
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
if h[8] == '1' then
  redis.call('DECR', p .. 'count')
end
local ended = redis.call('SREM', p .. 'dir', c)
if ended == 1 then
  redis.call('ZADD', p .. 'due', now + 10000, 'e' .. c)
  redis.call('HSET', p .. 'de', c, epoch)
end
forget_session()
return {word, ended, will}
