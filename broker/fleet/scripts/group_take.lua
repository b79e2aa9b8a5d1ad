#!lua flags=allow-oom
-- Rule 12: a member takes messages. KEYS: bucket prefix.
-- ARGV: group, client, epoch, node, call number, most, its QoS, what is noted at each (`t:`) before and behind
--   the QoS at which it gets the message, are there partitions (0, 1).
-- Returns {0}: it isn't a member at this node | {1, more, number, entry, ...}; more: 1: there is more for it, 2: what
-- waits is for other members, since it may not read it (`d:`, group_done.lua).
-- `l:` has each member's last call and its numbers: a repeat gets those that it still has.
local p, g, c = KEYS[1], ARGV[1], ARGV[2]
local now = redis.call('HGET', p .. 'm:' .. g, c)
local head = ARGV[3] .. ' ' .. ARGV[4] .. ' '
if not now or string.sub(now, 1, #head) ~= head then
  return {0}
end
local w, e, t, counts = p .. 'w:' .. g, p .. 'e:' .. g, p .. 't:' .. g, p .. 'c:' .. g
local denied = p .. 'd:' .. g
local some_denied = redis.call('EXISTS', denied) == 1
local most = tonumber(ARGV[6])
local out = {1, 0}

local function note(entry)
  -- An entry is its time, a blank, and a frame, which begins with the flags.
  local qos = string.byte(entry, string.find(entry, ' ', 1, true) + 1) % 4
  return ARGV[8] .. string.format('%d', math.min(qos, tonumber(ARGV[7]))) .. ARGV[9]
end

-- Its partitions: 64 among the connected members, rounded up. It gets more while it has less, of those that
-- nobody has, or of who is away or has too many, unless something of it is open. `p:`: partition -> client.
local function own_partitions()
  local connected = math.max(1, tonumber(redis.call('HGET', counts, 'm') or 0))
  local share = math.ceil(64 / connected)
  local owner, count, own, is_there = {}, {}, {}, {}
  local all = redis.call('HGETALL', p .. 'p:' .. g)
  for i = 1, #all, 2 do
    owner[all[i]] = all[i + 1]
    count[all[i + 1]] = (count[all[i + 1]] or 0) + 1
    if all[i + 1] == c then
      own[all[i]] = true
    end
  end
  local function is_connected(client)
    if is_there[client] == nil then
      local node = string.match(redis.call('HGET', p .. 'm:' .. g, client) or '', '^%d+ (%S+)')
      is_there[client] = node ~= nil and node ~= '-'
    end
    return is_there[client]
  end
  for i = 0, 63 do
    if (count[c] or 0) >= share then
      break
    end
    local part = tostring(i)
    local has = owner[part]
    if (not has or (has ~= c and (count[has] > share or not is_connected(has)))) and
      redis.call('HEXISTS', p .. 'tp:' .. g, part) == 0 then
      redis.call('HSET', p .. 'p:' .. g, part, c)
      if has then
        count[has] = count[has] - 1
      end
      count[c] = (count[c] or 0) + 1
      own[part] = true
    end
  end
  return own
end

-- What was kept for too long without a member: a piece of it. True: there is more.
local function drop_old()
  local from = tonumber(redis.call('HGET', counts, 'k') or '')
  for _ = 1, from and 500 or 0 do
    local n = redis.call('ZRANGE', w, 0, 0)[1]
    local entry = n and redis.call('HGET', e, n)
    if not n or (entry and tonumber(string.match(entry, '^%d+')) >= from) then
      redis.call('HDEL', counts, 'k')
      return false
    end
    redis.call('ZREM', w, n)
    redis.call('HDEL', e, n)
    redis.call('HINCRBY', counts, 'b', 0 - #(entry or ''))
  end
  return from ~= nil
end

-- It was tried, and others weren't.
local function is_denied(who)
  local _, tried = string.gsub(who, '%z', '')
  return string.find('\0' .. who, '\0' .. c .. '\0', 1, true) and tried < redis.call('HLEN', p .. 'm:' .. g)
end

-- `own`: its partitions, if there are any. Without, its share of what waits, so that others get some of a little; a lot
-- is taken in batches. Of the first thousand that wait, if not all are for it. What another one may not read is out of
-- its partition's order, and anybody's.
local function choose(own)
  local numbers, others = {}, false
  if not own then
    most = math.max(1, math.min(most, math.ceil(redis.call('ZCARD', w) / redis.call('HLEN', p .. 'm:' .. g))))
  end
  for _, n in ipairs(redis.call('ZRANGE', w, 0, (own or some_denied) and 1023 or most - 1)) do
    local who = some_denied and redis.call('HGET', denied, n)
    local part = own and not who and string.match(n, ':(%d+)$')
    if who and is_denied(who) then
      others = true
    elseif not part or own[part] then
      if #numbers == most then
        out[2] = 1
        return numbers
      end
      numbers[#numbers + 1] = n
    end
  end
  if others then
    out[2] = 2
  elseif not own and redis.call('ZCARD', w) > #numbers then
    out[2] = 1
  end
  return numbers
end

local function add_entry(n, entry)
  out[#out + 1] = n
  out[#out + 1] = entry
end

-- Who has a number can be looked up by the node, or, of a durable member, by the client: group_done.lua.
local function index_of()
  if string.sub(ARGV[8], 1, 1) == 'd' then
    return p .. 'tc:' .. c .. '\0' .. g
  end
  return p .. 'tn:' .. ARGV[4] .. ':' .. g
end

local function take(numbers)
  local notes, index, gone = {'HSET', t}, {'ZADD', index_of()}, {'ZREM', w}
  for _, n in ipairs(numbers) do
    local entry = redis.call('HGET', e, n)
    gone[#gone + 1] = n
    if entry then
      notes[#notes + 1], notes[#notes + 2] = n, note(entry)
      index[#index + 1], index[#index + 2] = string.match(n, '^%d+'), n
      add_entry(n, entry)
      local part = string.match(n, ':(%d+)$')
      if part then
        redis.call('HINCRBY', p .. 'tp:' .. g, part, 1)
      end
    end
  end
  for _, command in ipairs({gone, notes, index}) do
    if #command > 2 then
      redis.call(unpack(command))
    end
  end
  redis.call('HSET', p .. 'l:' .. g, c, ARGV[5] .. ' ' .. table.concat(numbers, ' '))
end

local last = redis.call('HGET', p .. 'l:' .. g, c)
if last and string.match(last, '^%d+') == ARGV[5] then
  for n in string.gmatch(string.match(last, '^%d+ ?(.*)$'), '[%d:]+') do
    local entry = redis.call('HGET', e, n)
    if entry and redis.call('HGET', t, n) == note(entry) then
      add_entry(n, entry)
    end
  end
  if ARGV[10] ~= '1' and redis.call('ZCARD', w) > 0 then
    out[2] = 1
  end
elseif drop_old() then
  out[2] = 1
else
  take(choose(ARGV[10] == '1' and own_partitions() or nil))
end
if out[2] ~= 1 then
  redis.call('SADD', p .. 'h:' .. g, ARGV[4])
end
return out
