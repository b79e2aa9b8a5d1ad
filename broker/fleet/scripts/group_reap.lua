#!lua flags=allow-oom
-- Rule 12: what a dead node's members had. First they are struck off, so that what it sent late does nothing.
-- KEYS: bucket prefix. ARGV: victim, redispatch_after in ms, then pairs: group of the configuration, ms that its
--   messages stay without a member.
-- Returns {left, messages of QoS 2 that ended, node, group, ...}: hungry nodes to be woken.
local p, victim = KEYS[1], ARGV[1]
local own = p .. 'own:' .. victim
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local keeps = {}
for i = 3, #ARGV, 2 do
  keeps[ARGV[i]] = ARGV[i + 1]
end

local function strike_off(g)
  local members = redis.call('HGETALL', p .. 'm:' .. g)
  for i = 1, #members, 2 do
    local c = members[i]
    local epoch, node, durable = string.match(members[i + 1], '^(%d+) (%S+) (%d)$')
    if node == victim and durable == '1' then
      redis.call('HSET', p .. 'm:' .. g, c, epoch .. ' - 1')
      redis.call('ZADD', p .. 'away', string.format('%.0f', now), 'a' .. c .. '\0' .. g)
      redis.call('ZADD', p .. 'away', string.format('%.0f', now + tonumber(ARGV[2])), 'r' .. c .. '\0' .. g)
    elseif node == victim then
      redis.call('HDEL', p .. 'm:' .. g, c)
      redis.call('HDEL', p .. 'l:' .. g, c)
    end
  end
end

local out = {0, 0}
for _, g in ipairs(redis.call('SRANDMEMBER', own, 8)) do
  strike_off(g)
  redis.call('SREM', own, g)
  redis.call('SREM', p .. 'h:' .. g, victim)
  local taken = redis.call('HGETALL', p .. 't:' .. g)
  for i = 1, #taken, 2 do
    local n = taken[i]
    local node, qos = string.match(taken[i + 1], '^c%d+ (%S+) (%d) ')
    local holder, c = string.match(taken[i + 1], '^d%d %d+ (%S+) (.*)$')
    if holder == victim then
      -- Its client may be connected elsewhere by now.
      redis.call('ZADD', p .. 'away', string.format('%.0f', now), 'a' .. c .. '\0' .. g)
    end
    if node == victim then
      redis.call('HDEL', p .. 't:' .. g, n)
      local size = redis.call('HSTRLEN', p .. 'e:' .. g, n)
      if qos == '2' then
        redis.call('HDEL', p .. 'e:' .. g, n)
        redis.call('HINCRBY', p .. 'c:' .. g, 'b', -size)
        out[2] = out[2] + 1
      elseif size > 0 then
        redis.call('ZADD', p .. 'w:' .. g, string.match(n, '^%d+'), n)
      end
    end
  end
  if redis.call('EXISTS', p .. 'm:' .. g) == 0 then
    for _, kind in ipairs({'w:', 'e:', 't:', 'c:', 's:', 'l:', 'h:', 'p:'}) do
      if keeps[g] then
        redis.call('PEXPIRE', p .. kind .. g, keeps[g])
      else
        redis.call('UNLINK', p .. kind .. g)
      end
    end
  elseif redis.call('ZCARD', p .. 'w:' .. g) > 0 then
    for _, node in ipairs(redis.call('SPOP', p .. 'h:' .. g, 2)) do
      out[#out + 1] = node
      out[#out + 1] = g
    end
  end
end
out[1] = redis.call('SCARD', own)
if out[1] == 0 then
  redis.call('UNLINK', p .. 'calls:' .. victim)
end
return out
