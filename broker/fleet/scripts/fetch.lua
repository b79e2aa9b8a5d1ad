#!lua flags=no-writes
-- Rule 8: entries of a session's queue. KEYS: bucket prefix.
-- ARGV: client, epoch, first sequence, most entries, most bytes.
-- Returns {0} when fenced | {1, more, last sent on an earlier connection, sequence, entry, ...}. An entry
-- that has expired is '', unless it was sent (`dc`: what surely was; none: all that `ds` says).
-- Reads one entry, then as many as there is room for, estimated by the size of those before: reading
-- beyond the room would delay everybody at Redis. At most 8 at once, and one by one where entries of
-- more than 8 kB were ever queued (`lg`), because large ones may follow small ones.
local p, c = KEYS[1], ARGV[1]
local h = redis.call('HMGET', p .. 's:' .. c, 'epoch', 'ds', 'nseq', 'lg', 'ex', 'dc')
if h[1] and tonumber(h[1]) > tonumber(ARGV[2]) then
  return {0}
end
local q, most, room = p .. 'q:' .. c, tonumber(ARGV[4]), tonumber(ARGV[5])
local at_once = h[4] and 1 or 8
local t = h[5] and redis.call('TIME')
local now = t and t[1] * 1000 + math.floor(t[2] / 1000)
local sent = tonumber(h[6] or h[2] or 0)

local function has_expired(fields)
  for k = 3, #fields, 2 do
    if fields[k] == 'x' then
      return tonumber(fields[k + 1]) <= now
    end
  end
  return false
end

local out, from, last, count, used, step = {1, 0, tonumber(h[2] or 0)}, ARGV[3], 0, 0, 0, 1
while step > 0 do
  local part = redis.call('XRANGE', q, from, '+', 'COUNT', step)
  for i = 1, #part do
    local id, entry = part[i][1], part[i][2][2]
    last = string.match(id, '^%d+')
    out[#out + 1] = last
    out[#out + 1] = now and tonumber(last) > sent and has_expired(part[i][2]) and '' or entry
    from = '(' .. id
    used = used + #entry
    count = count + 1
  end
  if #part < step then
    return out
  end
  step = math.min(at_once, most - count, math.ceil((room - used) / used * count))
end
if tonumber(last) < tonumber(h[3] or 0) then
  out[2] = 1
end
return out
