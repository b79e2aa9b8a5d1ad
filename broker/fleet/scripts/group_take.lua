#!lua flags=allow-oom
-- Rule 12: a member takes messages. KEYS: bucket prefix.
-- ARGV: group, client, epoch, node, call number, most, its QoS, what is noted at each (`t:`) before and behind
--   the QoS at which it gets the message, are there partitions (0, 1).
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

-- Its share of what waits, so that others get some of a little; a lot is taken in batches.
local function shared_numbers()
  local share = math.ceil(redis.call('ZCARD', w) / redis.call('HLEN', p .. 'm:' .. g))
  return redis.call('ZRANGE', w, 0, math.max(1, math.min(share, tonumber(ARGV[6]))) - 1)
end

-- Partitions of which something is taken.
local function open_partitions()
  local open = {}
  for _, n in ipairs(redis.call('HKEYS', t)) do
    open[string.match(n, ':(%d+)$') or ''] = true
  end
  return open
end

-- Its partitions: 64 among the connected members, rounded up. It gets more while it has less, of those that
-- nobody has, or of who is away or has too many, unless something of it is open. `p:`: partition -> client.
local function own_partitions()
  local connected, members, share = {}, 0, redis.call('HGETALL', p .. 'm:' .. g)
  for i = 1, #share, 2 do
    if string.match(share[i + 1], '^%d+ (%S+)') ~= '-' then
      connected[share[i]] = true
      members = members + 1
    end
  end
  share = math.ceil(64 / members)
  local owner, count, own, all = {}, {}, {}, redis.call('HGETALL', p .. 'p:' .. g)
  for i = 1, #all, 2 do
    owner[all[i]] = all[i + 1]
    count[all[i + 1]] = (count[all[i + 1]] or 0) + 1
    if all[i + 1] == c then
      own[all[i]] = true
    end
  end
  local open
  for i = 0, 63 do
    if (count[c] or 0) >= share then
      break
    end
    local part = tostring(i)
    local has = owner[part]
    if not has or (has ~= c and (not connected[has] or count[has] > share)) then
      open = open or open_partitions()
      if not open[part] then
        redis.call('HSET', p .. 'p:' .. g, part, c)
        if has then
          count[has] = count[has] - 1
        end
        count[c] = (count[c] or 0) + 1
        own[part] = true
      end
    end
  end
  return own
end

-- Of the first thousand that wait.
local function own_numbers()
  local own, numbers = own_partitions(), {}
  for _, n in ipairs(redis.call('ZRANGE', w, 0, 1023)) do
    local part = string.match(n, ':(%d+)$')
    if not part or own[part] then
      if #numbers == tonumber(ARGV[6]) then
        out[2] = 1
        break
      end
      numbers[#numbers + 1] = n
    end
  end
  return numbers
end

local last = redis.call('HGET', p .. 'l:' .. g, c)
if last and string.match(last, '^%d+') == ARGV[5] then
  for n in string.gmatch(string.match(last, '^%d+ ?(.*)$'), '[%d:]+') do
    local entry = redis.call('HGET', e, n)
    if entry and redis.call('HGET', t, n) == note(entry) then
      out[#out + 1] = n
      out[#out + 1] = entry
    end
  end
else
  local numbers
  if ARGV[10] == '1' then
    numbers = own_numbers()
  else
    numbers = shared_numbers()
  end
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
if ARGV[10] ~= '1' and redis.call('ZCARD', w) > 0 then
  out[2] = 1
end
if out[2] == 0 then
  redis.call('SADD', p .. 'h:' .. g, ARGV[4])
end
return out
