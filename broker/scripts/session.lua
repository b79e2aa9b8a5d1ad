#!lua flags=no-writes
-- What a durable session has. KEYS: bucket prefix. ARGV: client.
-- Returns {epoch, filter, options, ...}; only the epoch when the session isn't durable, or is none.
local p, c = KEYS[1], ARGV[1]
local h = redis.call('HMGET', p .. 's:' .. c, 'epoch', 'dur')
local out = h[2] == '1' and redis.call('HGETALL', p .. 'f:' .. c) or {}
table.insert(out, 1, h[1] or '0')
return out
