#!lua
-- Rule 12: messages into the queues of groups of one bucket. KEYS: bucket prefix.
-- ARGV: node, call number, a queue's limit in messages, in bytes (0: none), dedup window in ms, most ids in it,
--   node whose members come first or '', then per target: group, frame, id to be remembered or '', ms that
--   messages stay without a member, partition or ''.
-- Returns {dropped, then triples}:
--   node, group, messages: a hungry node, to be woken;
--   '#', group, a target's number: the group has no member;
--   '!', group, a target's number: its queue is full (reported once until it is half empty).
-- A call whose number is known was done before: only the nodes are returned again. (Numbers below the last few
-- hundred count as known. One that Redis refused is done when it comes again, behind later ones, since a group
-- promises no order.)
-- `w:` has the numbers that wait, `e:` the messages, each behind its time, `t:` who has taken a number,
-- `c:` the last number and the bytes in `e:`, `h:` the nodes with members for whom there was nothing. Numbers
-- begin above all that were ever given. Behind a number is its partition, if there are any: <number>:<partition>.
local p, node, call = KEYS[1], ARGV[1], tonumber(ARGV[2])
local limit, most, window, ids = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
local calls = p .. 'calls:' .. node
local first = redis.call('ZRANGE', calls, 0, 0)[1]
local full = redis.call('ZCARD', calls) >= 512
local fresh = not (full and call < tonumber(first)) and redis.call('ZADD', calls, 'NX', call, call) == 1
if fresh and full then
  redis.call('ZREMRANGEBYRANK', calls, 0, 127)
end
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local out, order, added = {0}, {}, {}

local function is_new(g, id)
  if id == '' then
    return true
  end
  local seen = p .. 's:' .. g
  redis.call('ZREMRANGEBYSCORE', seen, '-inf', now - window)
  local new = redis.call('ZADD', seen, 'NX', now, id) == 1
  if new and redis.call('ZCARD', seen) > ids then
    redis.call('ZREMRANGEBYRANK', seen, 0, 99)
  end
  redis.call('PEXPIRE', seen, window)
  return new
end

local function report(word, g, i)
  out[#out + 1] = word
  out[#out + 1] = g
  out[#out + 1] = (i - 8) / 5
end

local function put(g, i, members)
  local c = p .. 'c:' .. g
  local h = redis.call('HMGET', c, 'n', 'b', 'f')
  local count, bytes = redis.call('HLEN', p .. 'e:' .. g), tonumber(h[2] or 0)
  if (limit > 0 and count >= limit) or (most > 0 and bytes >= most) then
    out[1] = out[1] + 1
    if not h[3] then
      redis.call('HSET', c, 'f', 1)
      report('!', g, i)
    end
    return
  end
  if h[3] and count * 2 < limit then
    redis.call('HDEL', c, 'f')
  end
  local entry = string.format('%.0f ', now) .. ARGV[i + 1]
  local n = string.format('%.0f', h[1] and tonumber(h[1]) + 1 or now * 2048)
  local id = ARGV[i + 4] == '' and n or n .. ':' .. ARGV[i + 4]
  redis.call('HSET', c, 'n', n, 'b', string.format('%.0f', bytes + #entry))
  redis.call('ZADD', p .. 'w:' .. g, n, id)
  redis.call('HSET', p .. 'e:' .. g, id, entry)
  if members == 0 then
    for _, kind in ipairs({'w:', 'e:', 't:', 'c:'}) do
      redis.call('PEXPIRE', p .. kind .. g, ARGV[i + 3])
    end
  end
end

for i = 8, #ARGV, 5 do
  local g = ARGV[i]
  local members = redis.call('HLEN', p .. 'm:' .. g)
  if members == 0 and tonumber(ARGV[i + 3]) == 0 then
    report('#', g, i)
  else
    if fresh and is_new(g, ARGV[i + 2]) then
      put(g, i, members)
    end
    if not added[g] then
      order[#order + 1] = g
    end
    added[g] = (added[g] or 0) + 1
  end
end
for _, g in ipairs(order) do
  if redis.call('ZCARD', p .. 'w:' .. g) > 0 then
    local hungry = p .. 'h:' .. g
    local named = {}
    if ARGV[7] ~= '' and redis.call('SREM', hungry, ARGV[7]) == 1 then
      named = {ARGV[7]} -- alone: it lets others be named if it has no room
    end
    -- Two, in case one has no room by now; more of many messages, so that they go to all.
    local most_nodes = math.max(2, math.min(added[g], 8))
    if ARGV[12] ~= '' then
      most_nodes = 64 -- a partition is one member's
    elseif #named > 0 then
      most_nodes = 1
    end
    for _, other in ipairs(redis.call('SPOP', hungry, most_nodes - #named)) do
      named[#named + 1] = other
    end
    for _, n in ipairs(named) do
      out[#out + 1] = n
      out[#out + 1] = g
      out[#out + 1] = math.ceil(added[g] / #named)
    end
  end
end
return out
