#!lua flags=allow-oom
-- Rule 8: what the client answered to deliveries. KEYS: bucket prefix.
-- ARGV: client, epoch, run of Redis in which the connection's queue was read, then pairs:
--   'a' sequence (acknowledged: the entry is deleted),
--   'r' sequence (received: the entry is deleted and its sequence noted as released),
--   'c' sequence (complete: the note is deleted).
-- Returns 1, or 0 when fenced; or the references of messages of groups that are finished (group_copy.lua).
-- They stay as d<sequence> until the next call, so that a repeat returns them, too.
-- Where Redis came back with older data, entries that were queued in its new run (sequences above `r0`)
-- may have the sequences of what the client had before. Acknowledgements from before the connection was
-- asserted there mean those earlier messages, so they leave such entries alone.
-- `rel` keeps the order of the releases, in which PUBREL is sent again (MQTT 4.6.0-4).
local p, c = KEYS[1], ARGV[1]
local h = redis.call('HMGET', p .. 's:' .. c, 'epoch', 'run', 'r0')
if h[1] and tonumber(h[1]) > tonumber(ARGV[2]) then
  return 0
end
local bound = h[2] and h[2] ~= ARGV[3] and tonumber(h[3]) or math.huge
local q, rel = p .. 'q:' .. c, p .. 'rel:' .. c
local gone = false
local released
local refs = p .. 'g:' .. c
local shared = redis.call('EXISTS', refs) == 1
local done, finished = {}, {}

local function finish(seq)
  local ref = redis.call('HGET', refs, 's' .. seq)
  if ref then
    redis.call('HDEL', refs, 's' .. seq, 'r' .. ref)
    redis.call('HSET', refs, 'd' .. seq, ref)
  end
  ref = ref or redis.call('HGET', refs, 'd' .. seq)
  if ref then
    done[#done + 1] = seq
    finished[#finished + 1] = ref
  end
end

local function forget_former()
  local now = ' ' .. table.concat(done, ' ') .. ' '
  for seq in string.gmatch(redis.call('HGET', refs, 'D') or '', '%d+') do
    if not string.find(now, ' ' .. seq .. ' ', 1, true) then
      redis.call('HDEL', refs, 'd' .. seq)
    end
  end
  redis.call('HDEL', refs, 'D')
  if #done > 0 then
    redis.call('HSET', refs, 'D', table.concat(done, ' '))
  end
end

for i = 4, #ARGV, 2 do
  local what, seq = ARGV[i], ARGV[i + 1]
  if tonumber(seq) > bound and redis.call('XRANGE', q, seq, seq)[1] then
    what = ''
  end
  if what == 'c' then
    redis.call('ZREM', rel, seq)
  elseif what ~= '' then
    redis.call('XDEL', q, seq .. '-0')
    gone = true
    if shared then
      finish(seq)
    end
    if what == 'r' then
      released = released or redis.call('ZRANGE', rel, -1, -1, 'WITHSCORES')[2] or 0
      released = released + 1
      redis.call('ZADD', rel, 'NX', released, seq)
    end
  end
end
if gone and redis.call('XLEN', q) == 0 then
  redis.call('DEL', q)
end
if shared then
  forget_former()
end
return #finished > 0 and finished or 1
