#!lua flags=allow-oom
-- Rule 7: a connection takes a client id. KEYS: bucket prefix.
-- ARGV: client, node, durable, clean start, token of this attempt, session expiry in s (-1: never),
-- when its CONNECT arrived by this clock (earliest, latest), user ('': any may have the session),
-- run of Redis, may it make a durable session (0, 1).
-- Returns one of these, and then nothing has changed:
--   {'full'} (the client has no durable session, and may make none),
--   {'late'} (a CONNECT that arrived later had the client id already),
--   {'user'} (the session is another user's);
-- or {epoch, previous owners, present, ended, last sequence, last sent, first queued,
--   epoch of the former owner's will or '', epoch of a will being published or '',
--   {filter, options, ...}, {released sequences},
--   {filters whose removal the log may not have}, has this call made a durable session (0, 1),
--   cursor for session.lua, which reads the subscriptions that are missing here, or '0'}.
-- A repeat (same token) changes nothing and answers the same.
local p, c, node = KEYS[1], ARGV[1], ARGV[2]
local s = p .. 's:' .. c
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local h = redis.call('HMGET', s, 'owner', 'epoch', 'dur', 'token', 'w', 'wd', 'xat', 'ow', 'u', 'st',
  'lo', 'n', 'exp')
local owner, epoch, will = h[1] or '', tonumber(h[2] or 0), h[5]
local made = 0

if h[4] ~= ARGV[5] then
  local expired = owner == '' and h[7] and tonumber(h[7]) <= now
  -- A session that was made before sessions had users belongs to the first user who comes.
  if h[9] and ARGV[9] ~= '' and h[9] ~= ARGV[9] and not expired then
    return {'user'}
  end
  -- A moment in the future was stored by a clock that has been set back since.
  local arrived = tonumber(h[10] or 0)
  if arrived > now then
    arrived = 0
  end
  if tonumber(ARGV[8]) < arrived then
    return {'late'}
  end
  if ARGV[3] == '1' and h[3] ~= '1' and ARGV[11] ~= '1' then
    return {'full'}
  end
  arrived = math.max(arrived, tonumber(ARGV[7]))
  local present, ended = '0', '0'
  if h[3] == '1' then
    -- One that lasts no longer than its connection (expiry 0) ends when that is taken over.
    if ARGV[4] == '1' or expired or (owner ~= '' and h[13] == '0') then
      ended = tostring(redis.call('SREM', p .. 'dir', c))
      redis.call('UNLINK', p .. 'q:' .. c, p .. 'in2:' .. c, p .. 'rel:' .. c, p .. 'seen:' .. c,
        p .. 'f:' .. c, p .. 'g:' .. c)
      redis.call('HDEL', s, 'nseq', 'ds', 'dc', 'qb', 'qh', 'qf', 'lg', 'ex', 'run', 'r0')
    else
      present = '1'
    end
  end
  -- To be announced in the log, perhaps again: also when a former end isn't there yet.
  if ended == '1' or redis.call('ZSCORE', p .. 'due', 'e' .. c) then
    ended = '1'
    redis.call('ZADD', p .. 'due', now + 10000, 'e' .. c)
  end
  -- A delayed will that no node has begun to publish is void when its session goes on; and one that waits
  -- for its client (without `d`), whatever session that comes back to. Others are due: their session has
  -- ended, or they are another user's.
  local d = redis.call('HMGET', p .. 'dw:' .. c, 'taker', 'u', 'd')
  if d[1] == '' then
    local is_users = not d[2] or ARGV[9] == '' or d[2] == ARGV[9]
    if is_users and (present == '1' or not d[3]) then
      redis.call('DEL', p .. 'dw:' .. c)
      redis.call('ZREM', p .. 'due', 'w' .. c)
    else
      redis.call('HSET', p .. 'dw:' .. c, 'taker', '-')
      redis.call('ZADD', p .. 'due', now, 'w' .. c)
    end
  end
  -- The will of the former connection: its owner publishes it, or this connection before CONNACK. A will
  -- that the connection before that left over may be published by any node ('-'), and comes first. A will
  -- with a delay isn't due when its session goes on.
  if owner ~= '' and will and will ~= '' and (tonumber(h[6] or 0) == 0 or present == '0') then
    if h[8] then
      redis.call('HSET', p .. 'dw:' .. c, 'epoch', redis.call('HGET', s, 'owe'), 'taker', '-',
        'will', h[8])
      redis.call('ZADD', p .. 'due', now, 'w' .. c)
    end
    redis.call('HSET', s, 'ow', will, 'owe', h[2])
  end
  redis.call('ZREM', p .. 'due', 'x' .. c)
  if owner ~= '' then
    redis.call('SREM', p .. 'own:' .. owner, c)
    local q = redis.call('HMGET', s, 'nseq', 'ds', 'dc')
    if q[1] then
      redis.call('HSET', s, 'ds', q[1], 'dc', q[3] or q[2] or 0)
    end
  end
  -- Nodes that may still have an older connection: the owner, and the owners before it if its node fell
  -- silent before it had asked them. They are asked until one claim has heard from all.
  local lo = h[11] or ''
  if owner ~= '' and not string.find(lo, owner, 1, true) then
    lo = string.sub(lo == '' and owner or owner .. ' ' .. lo, 1, 8 * 17 - 1)
  end
  if lo ~= '' then
    redis.call('HSET', s, 'lo', lo)
  end
  epoch = math.max(epoch + 1, now)
  redis.call('SADD', p .. 'own:' .. node, c)
  redis.call('HDEL', s, 'xat', 'w', 'wd')
  redis.call('PERSIST', s)
  redis.call('HSET', s, 'owner', node, 'epoch', string.format('%.0f', epoch), 'dur', ARGV[3],
    'token', ARGV[5], 'exp', ARGV[6], 'rp', lo, 'rr', present, 're', ended,
    'st', string.format('%.0f', arrived), 'n', ARGV[3])
  if (h[12] == '1') ~= (ARGV[3] == '1') then
    made = ARGV[3] == '1' and 1 or 0
    redis.call('INCRBY', p .. 'count', made == 1 and 1 or -1)
  end
  if ARGV[9] ~= '' then
    redis.call('HSET', s, 'u', ARGV[9])
  end
  if ended == '1' then
    redis.call('HSET', p .. 'de', c, string.format('%.0f', epoch))
    redis.call('HDEL', s, 'pu')
  end
end

-- Also when the claim is repeated in another run of Redis: from now on the connection is one of this run.
if redis.call('HGET', s, 'run') ~= ARGV[10] then
  redis.call('HSET', s, 'run', ARGV[10], 'r0', redis.call('HGET', s, 'nseq') or 0)
end
local r = redis.call('HMGET', s, 'rp', 'rr', 're', 'nseq', 'ds', 'owe', 'pu')
local gone = {}
for _, filter in ipairs(r[7] and cmsgpack.unpack(r[7]) or {}) do
  if redis.call('HEXISTS', p .. 'f:' .. c, filter) == 0 then
    gone[#gone + 1] = filter
  end
end
local first = redis.call('XRANGE', p .. 'q:' .. c, '-', '+', 'COUNT', 1)
local head = first[1] and string.match(first[1][1], '^%d+') or ''
local subs, released = {'0', {}}, {}
if r[2] == '1' then
  subs = redis.call('HSCAN', p .. 'f:' .. c, 0, 'COUNT', 16) -- some of many, or all of a few
  released = redis.call('ZRANGE', p .. 'rel:' .. c, 0, -1)
end
return {string.format('%.0f', epoch), r[1] or '', r[2] or '0', r[3] or '0', r[4] or '0',
  r[5] or '0', head, r[6] or '', redis.call('HGET', p .. 'dw:' .. c, 'epoch') or '',
  subs[2], released, gone, made, subs[1]}
