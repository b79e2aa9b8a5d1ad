#!lua
-- Rule 5: retained values of one bucket. KEYS: bucket prefix.
-- ARGV: node, then per value: sequence, topic, frame ('' clears). Values at or below the node's
-- high water were set before.
local p, node = KEYS[1], ARGV[1]
local high = tonumber(redis.call('HGET', p .. 'hw', node) or 0)
for i = 2, #ARGV, 3 do
  local seq, topic, frame = tonumber(ARGV[i]), ARGV[i + 1], ARGV[i + 2]
  if seq > high then
    high = seq
    if frame == '' then
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
