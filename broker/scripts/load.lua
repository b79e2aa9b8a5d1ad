#!lua flags=no-writes
-- Rule 3: one chunk of a bucket's durable subscriptions.
-- KEYS: bucket prefix. ARGV: cursor. Returns {cursor, client, {epoch, filter, options, ...}, ...}.
local p = KEYS[1]
local found = redis.call('SSCAN', p .. 'dir', ARGV[1], 'COUNT', 100)
local out = {found[1]}
for _, c in ipairs(found[2]) do
  out[#out + 1] = c
  local subs = redis.call('HGETALL', p .. 'f:' .. c)
  table.insert(subs, 1, redis.call('HGET', p .. 's:' .. c, 'epoch') or '0')
  out[#out + 1] = subs
end
return out
