#!lua flags=allow-oom
-- Rule 8: what the client said about deliveries. KEYS: bucket prefix.
-- ARGV: client, epoch, then pairs: 'a' sequence (acknowledged: goes), 'r' sequence (received: goes
-- and is noted as released), 'c' sequence (complete: the note goes). Returns 1, or 0 when fenced.
-- `rel` keeps the order of the releases, in which PUBREL is sent again (MQTT 4.6.0-4).
local p, c = KEYS[1], ARGV[1]
local epoch = redis.call('HGET', p .. 's:' .. c, 'epoch')
if epoch and tonumber(epoch) > tonumber(ARGV[2]) then
  return 0
end
local q, rel = p .. 'q:' .. c, p .. 'rel:' .. c
local gone = false
local released
for i = 3, #ARGV, 2 do
  local what, seq = ARGV[i], ARGV[i + 1]
  if what == 'c' then
    redis.call('ZREM', rel, seq)
  else
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
