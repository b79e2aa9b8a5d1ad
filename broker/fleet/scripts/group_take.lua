#!lua flags=allow-oom
-- Rule 12: a member takes messages. KEYS: bucket prefix.
-- ARGV: group, client, epoch, node, call number, most, its QoS, what is noted at each (`t:`) before and behind
--   the QoS at which it gets the message.
-- Returns {0}: it isn't a member at this node | {1, more, number, entry, ...}.
-- `l:` has each member's last call and its numbers: a repeat gets those that it still has.
local p, g, c = KEYS[1], ARGV[1], ARGV[2]
local now = redis.call('HGET', p .. 'm:' .. g, c)
local head = ARGV[3] .. ' ' .. ARGV[4] .. ' '
if not now or string.sub(now, 1, #head) ~= head then
  return {0}
end
local w, e, t = p .. 'w:' .. g, p .. 'e:' .. g, p .. 't:' .. g
local out = {1, 0}

local function note(entry)
  -- An entry is its time, a blank, and a frame, which begins with the flags.
  local qos = string.byte(entry, string.find(entry, ' ', 1, true) + 1) % 4
  return ARGV[8] .. string.format('%d', math.min(qos, tonumber(ARGV[7]))) .. ARGV[9]
end

local last = redis.call('HGET', p .. 'l:' .. g, c)
if last and string.match(last, '^%d+') == ARGV[5] then
  for n in string.gmatch(string.match(last, '^%d+ ?(.*)$'), '%d+') do
    local entry = redis.call('HGET', e, n)
    if entry and redis.call('HGET', t, n) == note(entry) then
      out[#out + 1] = n
      out[#out + 1] = entry
    end
  end
else
  -- Its share of what waits, so that others get some of a little; a lot is taken in batches.
  local share = math.ceil(redis.call('ZCARD', w) / redis.call('HLEN', p .. 'm:' .. g))
  local numbers = redis.call('ZRANGE', w, 0, math.max(1, math.min(share, tonumber(ARGV[6]))) - 1)
  for _, n in ipairs(numbers) do
    local entry = redis.call('HGET', e, n)
    redis.call('ZREM', w, n)
    if entry then
      redis.call('HSET', t, n, note(entry))
      out[#out + 1] = n
      out[#out + 1] = entry
    end
  end
  redis.call('HSET', p .. 'l:' .. g, c, ARGV[5] .. ' ' .. table.concat(numbers, ' '))
end
if redis.call('ZCARD', w) > 0 then
  out[2] = 1
else
  redis.call('SADD', p .. 'h:' .. g, ARGV[4])
end
return out
