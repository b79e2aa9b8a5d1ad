#!lua flags=allow-oom
-- Rule 12: what became of messages that members had taken. KEYS: bucket prefix.
-- ARGV: group, then triples: 'f' (finished), 'b' (waits again, at its place) or 'd' (the same, and this member may
--   not read it), number, what was noted when it was taken. One that was taken anew since is left alone. Without
--   any: the node that was named can't take.
-- Returns {messages that ended because no member may read them, node, ...}: hungry nodes to be woken, if something
--   waits again.
-- What is taken can be found by who has it: `tn:<node>:<group>` has the numbers that the node's clean members have,
-- `tc:<client>, NUL, <group>` those of a durable one, `tp:` how many of each partition are taken. `d:` has, by number,
-- the clients that may not read it, each with a NUL behind it.
local MOST_DENIED = 64
local p, g = KEYS[1], ARGV[1]
local w, e, t, c = p .. 'w:' .. g, p .. 'e:' .. g, p .. 't:' .. g, p .. 'c:' .. g
local denied, tp = p .. 'd:' .. g, p .. 'tp:' .. g
local some_denied = redis.call('EXISTS', denied) == 1
local back, wakes, dropped, bytes = #ARGV == 1, 2, 0, 0

local function not_taken(n, note)
  local node = string.match(note, '^c%d+ (%S+) ')
  local client = string.match(note, '^d%d %d+ %S+ (.*)$')
  if redis.call('ZREM', node and p .. 'tn:' .. node .. ':' .. g or p .. 'tc:' .. (client or '') .. '\0' .. g, n) == 0 then
    return
  end
  local part = string.match(n, ':(%d+)$')
  if part and redis.call('HINCRBY', tp, part, -1) <= 0 then
    redis.call('HDEL', tp, part)
  end
end

-- False: all members that are listed now were tried, or so many that it is given up.
local function deny(n, note)
  local client = string.match(note, '^c%d+ %S+ %d (.*)$') or string.match(note, '^d%d %d+ %S+ (.*)$') or ''
  local members, names, count, seen = p .. 'm:' .. g, '', 0, {}
  for name in string.gmatch((redis.call('HGET', denied, n) or '') .. client .. '\0', '(%Z*)%z') do
    if not seen[name] and redis.call('HEXISTS', members, name) == 1 then
      names, count, seen[name] = names .. name .. '\0', count + 1, true
    end
  end
  if count > 0 and (count >= redis.call('HLEN', members) or count >= MOST_DENIED) then
    dropped = dropped + 1
    return false
  end
  redis.call('HSET', denied, n, names)
  some_denied, wakes = true, 64
  return true
end

for i = 2, #ARGV, 3 do
  local what, n, note = ARGV[i], ARGV[i + 1], ARGV[i + 2]
  local noted = redis.call('HGET', t, n)
  if noted == note then
    redis.call('HDEL', t, n)
    not_taken(n, note)
    local size = redis.call('HSTRLEN', e, n)
    if size > 0 and (what == 'b' or (what == 'd' and deny(n, note))) then
      redis.call('ZADD', w, string.match(n, '^%d+'), n)
      back = true
    elseif size > 0 then
      redis.call('HDEL', e, n)
      bytes = bytes + size
      if some_denied then
        redis.call('HDEL', denied, n)
      end
    end
  elseif not noted then
    not_taken(n, note) -- the group has ended since
  end
end
if bytes > 0 then
  redis.call('HINCRBY', c, 'b', -bytes)
end
local out = {dropped}
if back and redis.call('ZCARD', w) > 0 then
  if redis.call('EXISTS', p .. 'p:' .. g) == 1 then
    wakes = 64
  end
  for _, node in ipairs(redis.call('SPOP', p .. 'h:' .. g, wakes)) do
    out[#out + 1] = node
  end
end
return out
