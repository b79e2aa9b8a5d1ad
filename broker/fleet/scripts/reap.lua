#!lua flags=allow-oom
-- Rule 1: frees clients of a dead node. KEYS: bucket prefix. ARGV: victim, reaper, most.
-- Returns {left, client, epoch, will to be published now, {filter, options, ...},
--   {filters being unsubscribed}, ...}.
local p, victim, node = KEYS[1], ARGV[1], ARGV[2]
local own = p .. 'own:' .. victim
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)

-- The will of the former connection, which the dead node took over and didn't publish, and what the next
-- claim must know of it: as in disconnect.lua.
local function leave_former_will(s, c)
  local h = redis.call('HMGET', s, 'ow', 'owe', 'lo')
  if not h[1] or redis.call('EXISTS', p .. 'dw:' .. c) == 1 then
    return
  end
  local taker = h[3] and string.byte(h[1], 1) % 4 ~= 0 and string.sub(h[3], -16) or '-'
  redis.call('HDEL', s, 'ow', 'owe')
  redis.call('HSET', p .. 'dw:' .. c, 'epoch', h[2], 'taker', taker, 'will', h[1])
  redis.call('ZADD', p .. 'due', taker == '-' and now or now + 2000, 'w' .. c)
end

local function forget_session(s, epoch)
  local lo = redis.call('HGET', s, 'lo')
  redis.call('UNLINK', s)
  if lo then
    redis.call('HSET', s, 'owner', '', 'epoch', epoch, 'dur', '0', 'lo', lo)
    redis.call('EXPIRE', s, 86400)
  end
end

local out, fields = {0}, 0
for _, c in ipairs(redis.call('SRANDMEMBER', own, ARGV[3])) do
  -- One piece (fleet_piece.h): the others at the next call. One session's subscriptions are at most
  -- limits.max_subscriptions.
  if fields >= 500 then
    break
  end
  local s = p .. 's:' .. c
  local h = redis.call('HMGET', s, 'owner', 'epoch', 'dur', 'w', 'wd', 'exp', 'nseq', 'pu', 'ds', 'dc')
  redis.call('SREM', own, c)
  if h[1] == victim then
    local will, subs, gone = h[4] or '', {}, {}
    local expiry = tonumber(h[6] or -1)
    if will ~= '' then
      local delay = tonumber(h[5] or 0) * 1000
      if h[3] ~= '1' then
        delay = 0
      elseif expiry >= 0 then
        delay = math.min(delay, expiry * 1000)
      end
      redis.call('DEL', p .. 'dw:' .. c)
      redis.call('HSET', p .. 'dw:' .. c, 'epoch', h[2], 'taker', delay > 0 and '' or node,
        'will', will)
      if delay > 0 then
        redis.call('HSET', p .. 'dw:' .. c, 'd', 1)
      end
      redis.call('ZADD', p .. 'due', delay > 0 and now + delay or now + 10000, 'w' .. c)
      if delay > 0 then
        will = ''
      end
    end
    leave_former_will(s, c)
    -- So that what the dead node still sends for its connection is fenced.
    local epoch = string.format('%.0f', math.max(tonumber(h[2]) + 1, now))
    if h[3] == '1' then
      -- Nobody knows what was sent; `dc` keeps what surely was.
      redis.call('HSET', s, 'owner', '', 'ds', h[7] or 0, 'dc', h[10] or h[9] or 0, 'epoch', epoch)
      redis.call('HDEL', s, 'w', 'wd', 'token')
      subs = redis.call('HGETALL', p .. 'f:' .. c)
      if h[8] then
        gone = cmsgpack.unpack(h[8])
      end
      if expiry >= 0 then
        local at = string.format('%.0f', now + expiry * 1000)
        redis.call('HSET', s, 'xat', at)
        redis.call('ZADD', p .. 'due', at, 'x' .. c)
      end
    else
      forget_session(s, epoch)
    end
    out[#out + 1] = c
    out[#out + 1] = h[2]
    out[#out + 1] = will
    fields = fields + #subs / 2 + #gone
    out[#out + 1] = subs
    out[#out + 1] = gone
  end
end
out[1] = redis.call('SCARD', own)
if out[1] == 0 then
  redis.call('HDEL', p .. 'hw', victim)
end
return out
