#!lua flags=allow-oom
-- Rule 12: what a dead node's members had. First they are struck off, so that what it sent late does nothing.
-- KEYS: bucket prefix. ARGV: victim, redispatch_after in ms, then pairs: group of the configuration, ms that its
--   messages stay without a member.
-- Returns {left, messages of QoS 2 that ended, a group to be put into the indexes first or '' (group_index.lua), node,
--   group, ...}: hungry nodes to be woken.
-- One piece (fleet_piece.h): members and messages beyond it are left for the next call.
local GROUPS, MOST = 8, 500
local p, victim = KEYS[1], ARGV[1]
local own = p .. 'own:' .. victim
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local out, left, keeps = {0, 0, ''}, MOST, {}
for i = 3, #ARGV, 2 do
  keeps[ARGV[i]] = ARGV[i + 1]
end

local function has_no_index(g)
  return redis.call('HGET', p .. 'c:' .. g, 'i') ~= '1' and
    (redis.call('EXISTS', p .. 'm:' .. g) == 1 or redis.call('EXISTS', p .. 't:' .. g) == 1)
end

local function strike_off(g, c)
  local epoch, node, durable = string.match(redis.call('HGET', p .. 'm:' .. g, c) or '', '^(%d+) (%S+) (%d)$')
  if node == victim and durable == '1' then
    redis.call('HSET', p .. 'm:' .. g, c, epoch .. ' - 1')
    redis.call('ZADD', p .. 'away', string.format('%.0f', now), 'a' .. c .. '\0' .. g)
    redis.call('ZADD', p .. 'away', string.format('%.0f', now + tonumber(ARGV[2])), 'r' .. c .. '\0' .. g)
  elseif node == victim then
    redis.call('HDEL', p .. 'm:' .. g, c)
    redis.call('HDEL', p .. 'l:' .. g, c)
  end
end

-- True: none is left.
local function strike_members_off(g)
  local members = p .. 'mn:' .. victim .. ':' .. g
  for _, c in ipairs(redis.call('SRANDMEMBER', members, left)) do
    strike_off(g, c)
    redis.call('SREM', members, c)
    redis.call('HINCRBY', p .. 'c:' .. g, 'm', -1)
    left = left - 1
  end
  return redis.call('EXISTS', members) == 0
end

local function no_more_taken(g, n)
  local part = string.match(n, ':(%d+)$')
  if part and redis.call('HINCRBY', p .. 'tp:' .. g, part, -1) <= 0 then
    redis.call('HDEL', p .. 'tp:' .. g, part)
  end
end

-- What its clean members had. True: nothing is left. (A durable one's is looked after by its name.)
local function give_back(g)
  local taken = p .. 'tn:' .. victim .. ':' .. g
  for _, n in ipairs(left > 0 and redis.call('ZRANGE', taken, 0, left - 1) or {}) do
    local node, qos = string.match(redis.call('HGET', p .. 't:' .. g, n) or '', '^c%d+ (%S+) (%d) ')
    redis.call('ZREM', taken, n)
    no_more_taken(g, n)
    left = left - 1
    if node == victim then
      redis.call('HDEL', p .. 't:' .. g, n)
      local size = redis.call('HSTRLEN', p .. 'e:' .. g, n)
      if qos == '2' then
        redis.call('HDEL', p .. 'e:' .. g, n)
        redis.call('HDEL', p .. 'd:' .. g, n)
        redis.call('HINCRBY', p .. 'c:' .. g, 'b', 0 - size)
        out[2] = out[2] + 1
      elseif size > 0 then
        redis.call('ZADD', p .. 'w:' .. g, string.match(n, '^%d+'), n)
      end
    end
  end
  return redis.call('EXISTS', taken) == 0
end

local function end_group(g)
  for _, kind in ipairs({'w:', 'e:', 't:', 'c:', 's:', 'l:', 'h:', 'p:', 'd:', 'tp:'}) do
    if keeps[g] then
      redis.call('PEXPIRE', p .. kind .. g, keeps[g])
    else
      redis.call('UNLINK', p .. kind .. g)
    end
  end
end

local function wake(g)
  if redis.call('ZCARD', p .. 'w:' .. g) == 0 then
    return
  end
  local most = redis.call('EXISTS', p .. 'p:' .. g) == 1 and 64 or 2
  for _, node in ipairs(redis.call('SPOP', p .. 'h:' .. g, most)) do
    out[#out + 1] = node
    out[#out + 1] = g
  end
end

for _, g in ipairs(redis.call('SRANDMEMBER', own, GROUPS)) do
  if left == 0 then
    break
  end
  if has_no_index(g) then
    out[3] = g
    break
  end
  redis.call('SREM', p .. 'h:' .. g, victim)
  local through = strike_members_off(g) and give_back(g)
  if through then
    redis.call('SREM', own, g)
  end
  if through and redis.call('EXISTS', p .. 'm:' .. g) == 0 then
    end_group(g)
  else
    wake(g)
  end
end
out[1] = redis.call('SCARD', own)
if out[1] == 0 then
  redis.call('UNLINK', p .. 'calls:' .. victim)
end
return out
