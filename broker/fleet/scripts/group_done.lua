#!lua flags=allow-oom
-- Rule 12: what became of messages that members had taken. KEYS: bucket prefix.
-- ARGV: group, then triples: 'f' (finished) or 'b' (waits again, at its place), number, what was noted when it
--   was taken. One that was taken anew since is left alone. Without any: the node that was named can't take.
-- Returns {node, ...}: hungry nodes to be woken, if something waits again.
local p, g = KEYS[1], ARGV[1]
local w, e, t, c = p .. 'w:' .. g, p .. 'e:' .. g, p .. 't:' .. g, p .. 'c:' .. g
local back = #ARGV == 1
for i = 2, #ARGV, 3 do
  local n = ARGV[i + 1]
  if redis.call('HGET', t, n) == ARGV[i + 2] then
    redis.call('HDEL', t, n)
    local size = redis.call('HSTRLEN', e, n)
    if ARGV[i] == 'f' and size > 0 then
      redis.call('HDEL', e, n)
      redis.call('HINCRBY', c, 'b', -size)
    elseif size > 0 then
      redis.call('ZADD', w, string.match(n, '^%d+'), n)
      back = true
    end
  end
end
if back and redis.call('ZCARD', w) > 0 then
  return redis.call('SPOP', p .. 'h:' .. g, redis.call('EXISTS', p .. 'p:' .. g) == 1 and 64 or 2)
end
return {}
