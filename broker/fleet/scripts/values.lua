#!lua flags=no-writes
-- Retained values of one bucket. KEYS: bucket prefix. ARGV: room in bytes, topic, ...
-- Returns the values of the first topics (nil where there is none), as many as there is room for. Room 0:
-- one topic's value, whatever its size.
local v = KEYS[1] .. 'v'
local room, count = tonumber(ARGV[1]), 1
if room > 0 then
  count = 0
  while count + 1 < #ARGV and room >= 0 do
    room = room - redis.call('HSTRLEN', v, ARGV[count + 2])
    count = room >= 0 and count + 1 or count
  end
end
return count > 0 and redis.call('HMGET', v, unpack(ARGV, 2, count + 1)) or {}
