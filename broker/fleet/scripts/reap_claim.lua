#!lua flags=allow-oom
-- Takes the reaping of a dead node over from a reaper that died. KEYS: fleet prefix.
-- ARGV: victim, former reaper, new reaper. Returns 1 when the new reaper has it now.
local p = KEYS[1]
if redis.call('HGET', p .. 'reap', ARGV[1]) ~= ARGV[2] then
  return 0
end
redis.call('HSET', p .. 'reap', ARGV[1], ARGV[3])
return 1
