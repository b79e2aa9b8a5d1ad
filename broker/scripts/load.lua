#!lua flags=no-writes
-- Rule 3: one chunk of a bucket's durable subscriptions.
-- KEYS: bucket prefix. ARGV: cursor. Returns {cursor, client, {filter, options, ...}, ...}.
local p = KEYS[1]
local found = redis.call('SSCAN', p .. 'dir', ARGV[1], 'COUNT', 100)
local out = {found[1]}
for _, c in ipairs(found[2]) do
  out[#out + 1] = c
  out[#out + 1] = redis.call('HGETALL', p .. 'f:' .. c)
end
return out
