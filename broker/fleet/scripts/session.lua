#!lua flags=no-writes
-- One piece (fleet_piece.h) of a durable session's subscriptions. KEYS: bucket prefix.
-- ARGV: client, cursor ('0' at first). Returns {cursor ('0': that was all), epoch, filter, options, ...};
-- no filters when there is no such session, or it isn't durable. A filter may come twice.
local p, c, at = KEYS[1], ARGV[1], ARGV[2]
local h = redis.call('HMGET', p .. 's:' .. c, 'epoch', 'dur')
if h[2] ~= '1' then
  return {'0', h[1] or '0'}
end
local out, count, bytes, step = {'0', h[1] or '0'}, 2, 0, 10
repeat
  local found = redis.call('HSCAN', p .. 'f:' .. c, at, 'COUNT', step)
  local part = found[2]
  at = found[1]
  for i = 1, #part do
    out[count + i] = part[i]
    bytes = bytes + #part[i]
  end
  count = count + #part
  -- What has room, by the size of those before.
  step = math.floor(math.max(1, math.min(500 - count / 2, (65536 - bytes) * count / 2 / (bytes + 1))))
until at == '0' or count >= 1000 or bytes >= 65536
out[1] = at
return out
