#!lua flags=allow-oom
-- Rule 8: what the client answered to deliveries. KEYS: bucket prefix.
-- ARGV: client, epoch, run of Redis in which the connection's queue was read, then pairs:
--   'a' sequence (acknowledged: the entry is deleted),
--   'r' sequence (received: the entry is deleted and its sequence noted as released),
--   'c' sequence (complete: the note is deleted).
-- Returns 1, or 0 when fenced.
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
return 1
