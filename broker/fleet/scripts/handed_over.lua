#!lua flags=allow-oom
-- Rule 7: all former owners have handed the client over, or were cut off from it.
-- KEYS: bucket prefix. ARGV: client, epoch of the claim that asked them.
local s = KEYS[1] .. 's:' .. ARGV[1]
if redis.call('HGET', s, 'epoch') == ARGV[2] then
  redis.call('HDEL', s, 'lo')
end
return 1
