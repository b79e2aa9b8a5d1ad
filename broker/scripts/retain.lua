#!lua
-- Rule 5: retained values of one bucket. KEYS: bucket prefix.
-- ARGV: node, dedup window in ms, then per value: sequence, topic, frame ('' clears), id to be remembered
-- or ''. Values at or below the node's high water were set before, and so were those whose id is known:
-- a will, or a QoS 2 message, that another node sets again may not cover what was set since.
local p, node, window = KEYS[1], ARGV[1], tonumber(ARGV[2])
local high = tonumber(redis.call('HGET', p .. 'hw', node) or 0)

local function is_repeat(id)
  if id == '' then
    return false
  end
  local t = redis.call('TIME')
  local now = t[1] * 1000 + math.floor(t[2] / 1000)
  redis.call('ZREMRANGEBYSCORE', p .. 'seen', '-inf', now - window)
  local new = redis.call('ZADD', p .. 'seen', 'NX', now, id) == 1
  -- About 124 bytes each: 6 MB a bucket. The oldest go first.
  if new and redis.call('ZCARD', p .. 'seen') > 50000 then
    redis.call('ZREMRANGEBYRANK', p .. 'seen', 0, 99)
  end
  redis.call('PEXPIRE', p .. 'seen', window)
  return not new
end

for i = 3, #ARGV, 4 do
  local seq, topic, frame = tonumber(ARGV[i]), ARGV[i + 1], ARGV[i + 2]
  if seq > high then
    high = seq
    if is_repeat(ARGV[i + 3]) then
      frame = nil
    elseif frame == '' then
      redis.call('HDEL', p .. 'v', topic)
      redis.call('ZREM', p .. 'i', topic)
    else
      redis.call('HSET', p .. 'v', topic, frame)
      redis.call('ZADD', p .. 'i', 0, topic)
    end
  end
end
redis.call('HSET', p .. 'hw', node, string.format('%.0f', high))
return 1
