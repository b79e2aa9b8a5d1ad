#!lua flags=allow-oom
-- The log has the end of a session: the note of it is removed, unless a later session ended meanwhile.
-- KEYS: bucket prefix. ARGV: client, epoch of the end.
local p, c = KEYS[1], ARGV[1]
if (redis.call('HGET', p .. 'de', c) or '0') == ARGV[2] then
  redis.call('HDEL', p .. 'de', c)
  redis.call('ZREM', p .. 'due', 'e' .. c)
end
return 1
