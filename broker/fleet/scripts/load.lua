#!lua flags=no-writes
-- Rule 3: one piece (fleet_piece.h) of a bucket's durable subscriptions.
-- KEYS: bucket prefix. ARGV: cursor, '0' at first.
-- Returns {cursor ('0': that was all), client, {mark and epoch, filter, options, ...}, ...}. The mark is
-- '*' before the first part of a session that comes in parts, '+' before each further part. A cursor that
-- isn't a number of SSCAN's contains the clients of the last answer and how far the last one was read.
local p = KEYS[1]
local cursor, left, at = ARGV[1], {}, '0'
if string.find(cursor, '^%d+$') then
  local found = redis.call('SSCAN', p .. 'dir', cursor, 'COUNT', 20)
  cursor, left = found[1], found[2]
else
  local state = cmsgpack.unpack(cursor)
  cursor, left, at = state[1], state[2], state[3]
end

local fields, bytes = 0, 0
local function take(subs, part)
  for i = 1, #part do
    subs[#subs + 1] = part[i]
    bytes = bytes + #part[i]
  end
  fields = fields + #part / 2
end

local out = {}
while #left > 0 and fields < 500 and bytes < 65536 do
  local c = left[#left]
  local f = p .. 'f:' .. c
  local subs, first = {''}, at == '0'
  repeat
    local part = redis.call('HSCAN', f, at, 'COUNT', 10)
    take(subs, part[2])
    at = part[1]
  until at == '0' or fields >= 500 or bytes >= 65536
  local mark = not first and '+' or at ~= '0' and '*' or ''
  subs[1] = mark .. (redis.call('HGET', p .. 's:' .. c, 'epoch') or '0')
  fields = fields + 1
  out[#out + 1] = c
  out[#out + 1] = subs
  if at == '0' then
    left[#left] = nil
  end
end
table.insert(out, 1, #left > 0 and cmsgpack.pack({cursor, left, at}) or cursor)
return out
