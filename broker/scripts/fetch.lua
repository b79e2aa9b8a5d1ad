#!lua flags=no-writes
-- Rule 8: entries of a session's queue. KEYS: bucket prefix.
-- ARGV: client, epoch, first sequence, most entries, most bytes.
-- Returns {0} when fenced | {1, more, last sent on an earlier connection, sequence, entry, ...}.
local p, c = KEYS[1], ARGV[1]
local h = redis.call('HMGET', p .. 's:' .. c, 'epoch', 'ds')
if h[1] and tonumber(h[1]) > tonumber(ARGV[2]) then
  return {0}
end
local q, most, bytes = p .. 'q:' .. c, tonumber(ARGV[4]), tonumber(ARGV[5])
local out, from, count, more = {1, 0, tonumber(h[2] or 0)}, ARGV[3], 0, 0
while count < most and bytes > 0 and more == 0 do
  local step = math.min(16, most - count)
  local part = redis.call('XRANGE', q, from, '+', 'COUNT', step)
  for i = 1, #part do
    if bytes <= 0 then
      more = 1
      break
    end
    local id, entry = part[i][1], part[i][2][2]
    out[#out + 1] = string.match(id, '^%d+')
    out[#out + 1] = entry
    from = '(' .. id
    bytes = bytes - #entry
    count = count + 1
  end
  if #part < step then
    break
  end
end
if more == 0 and (count >= most or bytes <= 0) then
  more = #redis.call('XRANGE', q, from, '+', 'COUNT', 1)
end
out[2] = more
return out
