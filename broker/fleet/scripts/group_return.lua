#!lua flags=allow-oom
-- Rule 12: what of a durable member's copies goes back to their groups. KEYS: bucket prefix.
-- ARGV: client, why, then
--   why 'u' (its connection ends, or it unsubscribes): epoch, highest sequence sent, group ('': all);
--   why 'a' or 'r' (group_due.lua): references.
-- Returns {word, reference, ...}: 'b': it waits again; 'f': it is finished; 's' and '': there is no such session.
local p, c, why = KEYS[1], ARGV[1], ARGV[2]
local s, q, refs, seen = p .. 's:' .. c, p .. 'q:' .. c, p .. 'g:' .. c, p .. 'seen:' .. c
local h = redis.call('HMGET', s, 'owner', 'epoch', 'dur', 'ds')
local out = {}

local function tell(word, ref)
  out[#out + 1] = word
  out[#out + 1] = ref
end

local function take_out(ref, seq)
  redis.call('XDEL', q, seq .. '-0')
  redis.call('HDEL', refs, 's' .. seq, 'r' .. ref)
  redis.call('ZREM', seen, 'g' .. ref)
  tell('b', ref)
end

if why == 'u' then
  if h[2] ~= ARGV[3] then
    return out
  end
  local all = redis.call('HGETALL', refs)
  for i = 1, #all, 2 do
    local seq = string.match(all[i], '^s(%d+)$')
    local ref = all[i + 1]
    if seq and tonumber(seq) > tonumber(ARGV[4]) and (ARGV[5] == '' or string.match(ref, '^%Z*') == ARGV[5]) then
      take_out(ref, seq)
    end
  end
  return out
end

local durable, away = h[3] == '1', (h[1] or '') == ''
if not durable then
  tell('s', '')
end
for i = 3, #ARGV do
  local ref = ARGV[i]
  local qos = string.match(ref, '^%Z*%z[%d:]+%zd(%d)')
  local seq = durable and redis.call('HGET', refs, 'r' .. ref)
  if not durable then
    tell(qos == '2' and 'f' or 'b', ref)
  elseif seq then
    -- A copy. What wasn't sent goes back, and QoS 1 when its client stays away.
    if away and (tonumber(seq) > tonumber(h[4] or 0) or (why == 'r' and qos == '1')) then
      take_out(ref, seq)
    end
  else
    tell(redis.call('ZSCORE', seen, 'g' .. ref) and 'f' or 'b', ref)
  end
end
return out
