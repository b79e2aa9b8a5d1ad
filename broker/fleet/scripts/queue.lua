#!lua
-- Rule 5: messages into the queues of durable sessions of one bucket. KEYS: bucket prefix.
-- ARGV: node, call number, number of the call before it that isn't answered yet (0: none), queue limit in
--   messages, in bytes (0: none), dedup window in ms, most ids in it, number of messages, per message:
--   frame, id to be remembered or '', then per target: client, the message's index, flags (behind them may
--   be identifiers of subscriptions; they become the begin of the entry. First byte 'x': this client was
--   taken from the node before the call was written; the target is skipped). The node's field is
--   <node>:<run of Redis>.
-- Returns {dropped, then pairs}:
--   owner, client: the session's owner, to be woken;
--   '#' and a target's number, client: there is no such session;
--   '~', how many: ids that were forgotten before the window was over;
--   '!' and a target's number, client: its queue is full (reported once until it is half empty: `qf`);
--   '=', how many: messages that were dropped because they had expired.
-- A call number at or below the last one was done before: only the owners are returned again.
-- Returns 'refused' and does nothing when the call before it wasn't done (never, if it is no number): both
-- come again, in order.
-- An entry's bytes are those of the frame, and of identifiers if there are any.
-- The limit in bytes counts messages that are larger than the two limits allow each on average; the
-- smaller ones reach the other limit first. `qb` of a session is the bytes of those that were ever queued.
-- Each of them, and every 16th message, has in its field b what `qb` was before it. So the queue holds the
-- difference between `qb` and the first b in the queue; `qh` is that first b as last read.
-- A message that expires has its moment in the field x, and `ex` of a session says that there was one.
local p, call = KEYS[1], tonumber(ARGV[2])
local node, run = string.match(ARGV[1], '^([^:]*):(.*)$')
local limit, most, window = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
local ids, count = tonumber(ARGV[7]), tonumber(ARGV[8])
local large = most == 0 and math.huge or limit == 0 and 0 or most / limit

local function first_mark(q)
  local from = '-'
  for _ = 1, 64 do
    local entry = redis.call('XRANGE', q, from, '+', 'COUNT', 1)[1]
    if not entry or entry[2][3] == 'b' then
      return entry and tonumber(entry[2][4])
    end
    from = '(' .. entry[1]
  end
end

-- Of a large one: what `qb` is and was at the queue's begin.
local function bytes(s, q, waiting)
  local h = redis.call('HMGET', s, 'qb', 'qh')
  local put, head = tonumber(h[1] or 0), tonumber(h[2] or 0)
  if waiting == 0 then
    head = put
  elseif put - head >= most then
    head = first_mark(q) or put
  end
  return put, head
end

-- Whether there is no room for an entry of this size; of a large one, `bytes` as well.
local function fullness(s, q, waiting, size)
  local put, head
  if size > large then
    put, head = bytes(s, q, waiting)
  end
  return (limit > 0 and waiting >= limit) or (put and put - head >= most), put, head
end

-- Of a session that was full: by the limits that there are, in messages and in bytes.
local function is_half_empty(s, q, waiting)
  if limit > 0 and waiting * 2 >= limit then
    return false
  end
  if most == 0 or waiting == 0 then
    return true
  end
  local put = tonumber(redis.call('HGET', s, 'qb') or 0)
  return (put - (first_mark(q) or put)) * 2 < most
end

-- When the message of a frame expires; nil: never.
local function expiry_of(frame)
  if #frame >= 9 and bit.band(string.byte(frame, 1), 0x20) ~= 0 then
    return (struct.unpack('>I8', frame, 2))
  end
end

local function has_expired(fields, now)
  for k = 3, #fields, 2 do
    if fields[k] == 'x' then
      return tonumber(fields[k + 1]) <= now
    end
  end
  return false
end

-- Of a full queue, behind what was sent: removes what has expired up to the first that hasn't, but only
-- some at once. Returns how many.
local function drop_expired(q, sent, at_once, now)
  local from, dropped = '(' .. (sent or '0') .. '-0', 0
  while dropped < 64 do
    local part = redis.call('XRANGE', q, from, '+', 'COUNT', at_once)
    for i = 1, #part do
      if not has_expired(part[i][2], now) then
        return dropped
      end
      from = '(' .. part[i][1]
      redis.call('XDEL', q, part[i][1])
      dropped = dropped + 1
    end
    if #part < at_once then
      return dropped
    end
  end
  return dropped
end

local function add(q, seq, entry, mark, expires)
  local id = string.format('%.0f-0', seq)
  if expires and mark then
    redis.call('XADD', q, id, 'm', entry, 'b', mark, 'x', string.format('%.0f', expires))
  elseif expires then
    redis.call('XADD', q, id, 'm', entry, 'x', string.format('%.0f', expires))
  elseif mark then
    redis.call('XADD', q, id, 'm', entry, 'b', mark)
  else
    redis.call('XADD', q, id, 'm', entry)
  end
end

local last = tonumber(redis.call('HGET', p .. 'hw', node) or 0)
local fresh = last < call
if fresh then
  if last < (tonumber(ARGV[3]) or math.huge) then
    return 'refused'
  end
  redis.call('HSET', p .. 'hw', node, call)
end
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local out, told, expired = {0}, {}, 0
for i = 9 + count * 2, #ARGV, 3 do
  local c, m = ARGV[i], 9 + tonumber(ARGV[i + 1]) * 2
  local s, q = p .. 's:' .. c, p .. 'q:' .. c
  local h = redis.call('HMGET', s, 'owner', 'dur', 'run', 'qf', 'lg', 'ex', 'ds', 'dc')
  local flags = ARGV[i + 2]
  if string.sub(flags, 1, 1) == 'x' then
    h = nil
  elseif h[2] == '1' then
    if h[3] ~= run then
      redis.call('HSET', s, 'run', run, 'r0', redis.call('HGET', s, 'nseq') or 0)
    end
    local id, new = ARGV[m + 1], fresh
    if new and id ~= '' then
      local seen = p .. 'seen:' .. c
      redis.call('ZREMRANGEBYSCORE', seen, '-inf', now - window)
      new = redis.call('ZADD', seen, 'NX', now, id) == 1
      -- The oldest go first, a hundred at once.
      if new and redis.call('ZCARD', seen) > ids then
        redis.call('ZREMRANGEBYRANK', seen, 0, 99)
        out[#out + 1] = '~'
        out[#out + 1] = '100'
      end
      redis.call('PEXPIRE', seen, window)
    end
    local put, head
    local size = #ARGV[m] + #flags - 1
    local expires = expiry_of(ARGV[m])
    if new and expires and expires <= now then
      expired, new = expired + 1, false
    end
    if new then
      local waiting = redis.call('XLEN', q)
      local full
      full, put, head = fullness(s, q, waiting, size)
      -- What a connected client was sent isn't known here; its node drops what has expired when it reads.
      if full and h[6] and (h[1] or '') == '' then
        local gone = drop_expired(q, h[8] or h[7], h[5] and 1 or 16, now)
        waiting, expired = waiting - gone, expired + gone
        full, put, head = fullness(s, q, waiting, size)
      end
      if full then
        out[1] = out[1] + 1
        new = false
        if not h[4] then
          redis.call('HSET', s, 'qf', 1)
          out[#out + 1] = '!' .. (i - 9 - count * 2) / 3
          out[#out + 1] = c
        end
      elseif h[4] and is_half_empty(s, q, waiting) then
        redis.call('HDEL', s, 'qf')
      end
    end
    if new then
      if size > 8192 and not h[5] then
        redis.call('HSET', s, 'lg', 1)
      end
      local seq = redis.call('HINCRBY', s, 'nseq', 1)
      local mark
      if put then
        mark = string.format('%.0f', put)
        redis.call('HSET', s, 'qb', string.format('%.0f', put + size), 'qh',
          string.format('%.0f', head))
      elseif seq % 16 == 0 then
        mark = redis.call('HGET', s, 'qb') or '0'
      end
      add(q, seq, flags .. ARGV[m], mark, expires)
      if expires and not h[6] then
        redis.call('HSET', s, 'ex', 1)
      end
    end
    if h[1] and h[1] ~= '' and not told[c] then
      told[c] = true
      out[#out + 1] = h[1]
      out[#out + 1] = c
    end
  elseif not h[2] then
    out[#out + 1] = '#' .. (i - 9 - count * 2) / 3
    out[#out + 1] = c
  end
end
if expired > 0 then
  out[#out + 1] = '='
  out[#out + 1] = tostring(expired)
end
return out
