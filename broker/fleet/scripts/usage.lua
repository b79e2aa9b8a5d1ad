#!lua flags=allow-oom
-- What the fleet has in Redis. KEYS: fleet prefix. ARGV: age in ms from which the memory is looked up
-- again, bucket, durable sessions counted in it, ...
-- Returns {durable sessions of the fleet, bytes that Redis uses, its maxmemory (0: none), its machine's
--   memory}.
-- `usage`: a field per bucket; `all`: their sum; `used`, `max`, `machine`, `at`: the memory, and when it
-- was looked up.
-- Each bucket's count comes again every few seconds, so that a count that was lost is soon right.
local h = KEYS[1] .. 'usage'
local buckets, counts = {}, {}
for i = 2, #ARGV, 2 do
  buckets[#buckets + 1] = ARGV[i]
  counts[#counts + 1] = ARGV[i + 1]
end
local known = redis.call('HMGET', h, 'all', 'used', 'max', 'machine', 'at', unpack(buckets))
local all = tonumber(known[1] or 0)
local changes = {}
for i = 1, #buckets do
  local before = known[5 + i] or '0'
  if before ~= counts[i] then
    all = all + tonumber(counts[i]) - tonumber(before)
    changes[#changes + 1] = buckets[i]
    changes[#changes + 1] = counts[i]
  end
end
if #changes > 0 then
  redis.call('HSET', h, 'all', string.format('%.0f', all), unpack(changes))
end
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local used, max, machine = known[2] or '0', known[3] or '0', known[4] or '0'
if math.abs(now - tonumber(known[5] or 0)) >= tonumber(ARGV[1]) then
  local info = redis.pcall('INFO', 'memory')
  info = type(info) == 'string' and info or info.verbatim_string and info.verbatim_string.string or ''
  used = string.match(info, '\nused_memory:(%d+)') or '0'
  max = string.match(info, '\nmaxmemory:(%d+)') or '0'
  machine = string.match(info, '\ntotal_system_memory:(%d+)') or '0'
  redis.call('HSET', h, 'used', used, 'max', max, 'machine', machine, 'at', string.format('%.0f', now))
end
return {all, tonumber(used), tonumber(max), tonumber(machine)}
