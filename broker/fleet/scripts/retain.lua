#!lua
-- Rule 5: retained values of one bucket. KEYS: bucket prefix.
-- ARGV: node, call number, number of the call before it that isn't answered yet (0: none), dedup window in
-- ms, most ids in it, is there room for more (0, 1), then per value: '1' ('0': it was taken from the node
-- before the call was written; it is skipped), topic, frame ('' clears), id to be remembered or ''.
-- A call number at or below the last one was done before. Values whose id is known were set before, too:
-- when another node sets a will or a QoS 2 message again, that may not overwrite a newer value. Without room
-- a new topic isn't kept, and a topic whose value would grow is removed: no value rather than an old one.
-- `x` has the topics whose values expire, and when; expire.lua removes those.
-- Returns {how many topics weren't kept, one of them}; or 'refused', having done nothing, when the call
-- before it wasn't done: both come again, in order.
local p, node, call = KEYS[1], ARGV[1], tonumber(ARGV[2])
local window, ids = tonumber(ARGV[4]), tonumber(ARGV[5])
local room, dropped, last = ARGV[6] == '1', 0, ''
local high = tonumber(redis.call('HGET', p .. 'hw', node) or 0)
if high >= call then
  return {0, ''}
elseif high < tonumber(ARGV[3]) then
  return 'refused'
end
redis.call('HSET', p .. 'hw', node, call)

local function now_ms()
  local t = redis.call('TIME')
  return t[1] * 1000 + math.floor(t[2] / 1000)
end

-- When the value of a frame expires; nil: never.
local function expiry_of(frame)
  if #frame >= 9 and bit.band(string.byte(frame, 1), 0x20) ~= 0 then
    return (struct.unpack('>I8', frame, 2))
  end
end

local function is_repeat(id)
  if id == '' then
    return false
  end
  local now = now_ms()
  redis.call('ZREMRANGEBYSCORE', p .. 'seen', '-inf', now - window)
  local new = redis.call('ZADD', p .. 'seen', 'NX', now, id) == 1
  -- The oldest go first, a hundred at once.
  if new and redis.call('ZCARD', p .. 'seen') > ids then
    redis.call('ZREMRANGEBYRANK', p .. 'seen', 0, 99)
  end
  redis.call('PEXPIRE', p .. 'seen', window)
  return not new
end

local any_expire = redis.call('EXISTS', p .. 'x') == 1
for i = 7, #ARGV, 4 do
  local topic, frame = ARGV[i + 1], ARGV[i + 2]
  if ARGV[i] == '1' then
    if is_repeat(ARGV[i + 3]) then
      frame = nil
    elseif not room and frame ~= '' and #frame > redis.call('HSTRLEN', p .. 'v', topic) then
      dropped, last, frame = dropped + 1, topic, ''
    end
    local expires = frame and frame ~= '' and expiry_of(frame)
    if expires and expires <= now_ms() then
      frame = '' -- it replaces the one before, and is over itself
    end
    if frame == '' then
      redis.call('HDEL', p .. 'v', topic)
      redis.call('ZREM', p .. 'i', topic)
    elseif frame then
      redis.call('HSET', p .. 'v', topic, frame)
      redis.call('ZADD', p .. 'i', 0, topic)
    end
    if expires and frame ~= '' then
      redis.call('ZADD', p .. 'x', string.format('%.0f', expires), topic)
      any_expire = true
    elseif frame and any_expire then
      redis.call('ZREM', p .. 'x', topic)
    end
  end
end
return {dropped, last}
