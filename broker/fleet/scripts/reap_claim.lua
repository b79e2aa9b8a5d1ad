#!lua flags=allow-oom
-- Takes over the reaping of a dead node from a reaper that died. KEYS: fleet prefix.
-- ARGV: victim, former reaper, new reaper. Returns 1 when it is the new reaper's now.
local p = KEYS[1]
if redis.call('HGET', p .. 'reap', ARGV[1]) ~= ARGV[2] then
  return 0
end
redis.call('HSET', p .. 'reap', ARGV[1], ARGV[3])
return 1
