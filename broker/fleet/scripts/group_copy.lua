#!lua
-- Rule 12: messages of a group into the queue of the durable member that took them. KEYS: bucket prefix.
-- ARGV: client, epoch, node, run of Redis, dedup window in ms, then triples: reference (group, number,
--   note, with a NUL between them), entry, when it expires (0: never). Returns {} when the session isn't this
--   connection's, else for each triple
--   1: it is there now, 2: it was there before and is gone.
-- `g:` of a client: s<sequence> -> reference, r<reference> -> sequence. The reference is in `seen`, too, so
-- that a message that was acknowledged isn't copied again.
local p, c = KEYS[1], ARGV[1]
local s, q, refs, seen = p .. 's:' .. c, p .. 'q:' .. c, p .. 'g:' .. c, p .. 'seen:' .. c
local h = redis.call('HMGET', s, 'owner', 'epoch', 'dur', 'run', 'lg')
if h[1] ~= ARGV[3] or h[2] ~= ARGV[2] or h[3] ~= '1' then
  return {}
end
if h[4] ~= ARGV[4] then
  redis.call('HSET', s, 'run', ARGV[4], 'r0', redis.call('HGET', s, 'nseq') or 0)
end
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local out = {}
for i = 6, #ARGV, 3 do
  local ref, entry = ARGV[i], ARGV[i + 1]
  if redis.call('HEXISTS', refs, 'r' .. ref) == 1 then
    out[#out + 1] = 1
  elseif redis.call('ZADD', seen, 'NX', now, 'g' .. ref) == 0 then
    out[#out + 1] = 2
  else
    if #entry > 8192 and not h[5] then
      redis.call('HSET', s, 'lg', 1)
    end
    local number = redis.call('HINCRBY', s, 'nseq', 1)
    local seq = string.format('%.0f', number)
    local add = {'XADD', q, seq .. '-0', 'm', entry}
    if number % 16 == 0 then
      add[6], add[7] = 'b', redis.call('HGET', s, 'qb') or '0'
    end
    if ARGV[i + 2] ~= '0' then
      add[#add + 1] = 'x'
      add[#add + 1] = ARGV[i + 2]
      redis.call('HSET', s, 'ex', 1)
    end
    redis.call(unpack(add))
    redis.call('HSET', refs, 's' .. seq, ref, 'r' .. ref, seq)
    out[#out + 1] = 1
  end
end
redis.call('PEXPIRE', seen, ARGV[5])
return out
