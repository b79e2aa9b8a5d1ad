#!lua flags=allow-oom
-- Rule 12: members that are away, or were, and may have something. KEYS: bucket prefix.
-- ARGV: redispatch_after in ms.
-- Returns {how many are noted, is more due (0, 1), a group to be put into the indexes first or '' (group_index.lua),
--   kind, group, client, epoch as a member who is away ('': it isn't), {number, what was noted, ...}, ...}:
--   'a': its node died, or it is back; 'r': it has been away for redispatch_after.
-- The session's slot says what is to become of each: group_return.lua.
-- One piece (fleet_piece.h): what is beyond stays due. `looked` has, of a member of which a part was looked through,
-- the last number, and whether something was found.
local NAMES, MOST, BYTES = 32, 500, 65536
local p = KEYS[1]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local out, left, room = {0, 0, ''}, MOST, BYTES

local function has_no_index(g)
  return redis.call('HGET', p .. 'c:' .. g, 'i') ~= '1' and
    (redis.call('EXISTS', p .. 'm:' .. g) == 1 or redis.call('EXISTS', p .. 't:' .. g) == 1)
end

-- What former connections of the client took, with what was noted; whether there is more of it; whether any of it, also
-- in pieces before, was theirs. What a connection takes it may be about to copy; what a former one took it isn't any
-- more.
local function piece_of(name, g, c, connected)
  local taken = p .. 'tc:' .. c .. '\0' .. g
  local last, any = string.match(redis.call('HGET', p .. 'looked', name) or '', '^(%d+) (%d)$')
  local numbers = redis.call('ZRANGEBYSCORE', taken, last and '(' .. last or '-inf', '+inf', 'LIMIT', 0, left + 1)
  local has = {}
  for i, n in ipairs(numbers) do
    if left == 0 or room <= 0 then
      redis.call('HSET', p .. 'looked', name, last .. ' ' .. (any or '0'))
      return has, true, any == '1'
    end
    local note = redis.call('HGET', p .. 't:' .. g, n) or ''
    local by, whose = string.match(note, '^d%d (%d+) %S+ (.*)$')
    last, left, room = string.match(n, '^%d+'), left - 1, room - #n - #note - #g
    if whose ~= c then
      redis.call('ZREM', taken, n) -- the group has ended since
    elseif by ~= connected then
      any = '1'
      has[#has + 1] = n
      has[#has + 1] = note
    end
  end
  redis.call('HDEL', p .. 'looked', name)
  return has, false, any == '1'
end

local due = redis.call('ZRANGEBYSCORE', p .. 'away', '-inf', string.format('%.0f', now), 'LIMIT', 0, NAMES)
if #due == NAMES then
  out[2] = 1
end
for _, name in ipairs(due) do
  local kind, c, g = string.match(name, '^(.)(%Z*)%z(.*)$')
  if left == 0 or room <= 0 then
    out[2] = 1
    break
  end
  if has_no_index(g) then
    out[2], out[3] = 1, g
    break
  end
  local epoch, node = string.match(redis.call('HGET', p .. 'm:' .. g, c) or '', '^(%d+) (%S+) ')
  local connected = node and node ~= '-' and epoch
  local has, more, any = piece_of(name, g, c, connected)
  if not connected or #has > 0 then
    out[#out + 1] = kind
    out[#out + 1] = g
    out[#out + 1] = c
    out[#out + 1] = not connected and epoch or ''
    out[#out + 1] = has
  end
  if more then
    out[2] = 1
    break
  elseif any or (kind == 'r' and node == '-') then
    redis.call('ZADD', p .. 'away', string.format('%.0f', now + tonumber(ARGV[1])), name)
  else
    redis.call('ZREM', p .. 'away', name)
  end
end
out[1] = redis.call('ZCARD', p .. 'away')
return out
