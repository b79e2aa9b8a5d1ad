#!lua flags=allow-oom
-- Retained values of one bucket that have expired are removed. KEYS: bucket prefix. ARGV: most.
-- Returns {how many were removed, are there more (0, 1)}.
-- A value that isn't the one that the note in `x` is of stays.
local p, most = KEYS[1], tonumber(ARGV[1])
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)

local function has_expired(frame)
  return #frame >= 9 and bit.band(string.byte(frame, 1), 0x20) ~= 0 and
    struct.unpack('>I8', frame, 2) <= now
end

local over, removed = redis.call('ZRANGEBYSCORE', p .. 'x', '-inf', now, 'LIMIT', 0, most), 0
for _, topic in ipairs(over) do
  local frame = redis.call('HGET', p .. 'v', topic)
  if frame and has_expired(frame) then
    redis.call('HDEL', p .. 'v', topic)
    redis.call('ZREM', p .. 'i', topic)
    removed = removed + 1
  end
  redis.call('ZREM', p .. 'x', topic)
end
return {removed, #over == most and 1 or 0}
