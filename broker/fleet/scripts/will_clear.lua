#!lua flags=allow-oom
-- A will was published. KEYS: bucket prefix. ARGV: client, epoch of the will.
local p, c = KEYS[1], ARGV[1]
if redis.call('HGET', p .. 'dw:' .. c, 'epoch') == ARGV[2] then
  redis.call('DEL', p .. 'dw:' .. c)
  redis.call('ZREM', p .. 'due', 'w' .. c)
end
return 1
