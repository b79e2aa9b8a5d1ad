#!lua flags=allow-oom
-- Rule 7: all former owners have let go, or the client was cut off from them.
-- KEYS: bucket prefix. ARGV: client, epoch of who asked them.
local s = KEYS[1] .. 's:' .. ARGV[1]
if redis.call('HGET', s, 'epoch') == ARGV[2] then
  redis.call('HDEL', s, 'lo')
end
return 1
