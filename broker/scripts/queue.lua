#!lua
-- Rule 5: messages into the queues of durable sessions of one bucket. KEYS: bucket prefix.
-- ARGV: node, call number, queue limit, dedup window in ms, number of messages,
--   per message: frame, id to be remembered or '', then per target: client, message's index, flags.
-- Returns {dropped, owner, client, owner, client, ...}; '#' and a target's number instead of an owner:
-- there is no such session. A call number at or below the last one was done: only the owners are
-- told again.
local p, node, call = KEYS[1], ARGV[1], tonumber(ARGV[2])
local limit, window, count = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local last = redis.call('HGET', p .. 'hw', node)
local fresh = not last or tonumber(last) < call
if fresh then
  redis.call('HSET', p .. 'hw', node, call)
end
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local out, told = {0}, {}
for i = 6 + count * 2, #ARGV, 3 do
  local c, m = ARGV[i], 6 + tonumber(ARGV[i + 1]) * 2
  local s, q = p .. 's:' .. c, p .. 'q:' .. c
  local h = redis.call('HMGET', s, 'owner', 'dur')
  if h[2] == '1' then
    local id, new = ARGV[m + 1], fresh
    if new and id ~= '' then
      local seen = p .. 'seen:' .. c
      redis.call('ZREMRANGEBYSCORE', seen, '-inf', now - window)
      new = redis.call('ZADD', seen, 'NX', now, id) == 1
      redis.call('PEXPIRE', seen, window)
    end
    if new and limit > 0 and redis.call('XLEN', q) >= limit then
      out[1] = out[1] + 1
      new = false
    end
    if new then
      local seq = redis.call('HINCRBY', s, 'nseq', 1)
      redis.call('XADD', q, string.format('%.0f-0', seq), 'm', ARGV[i + 2] .. ARGV[m])
    end
    if h[1] and h[1] ~= '' and not told[c] then
      told[c] = true
      out[#out + 1] = h[1]
      out[#out + 1] = c
    end
  elseif not h[2] then
    out[#out + 1] = '#' .. (i - 6 - count * 2) / 3
    out[#out + 1] = c
  end
end
return out
