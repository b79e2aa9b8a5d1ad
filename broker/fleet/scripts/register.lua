#!lua flags=allow-oom
-- A node's writing connection registers before it writes anything.
-- KEYS: prefix of the node. ARGV: this run of Redis, id of the connection, the last cut that the node
-- knows, has it joined (0, 1).
-- Returns {'dead'} | {'ok', last cut, more (0, 1), {id of an earlier connection, ...},
--   {what a cut took, ...}}. More: these aren't all cuts; ask again with the last one.
-- `link`: c:<run>:<id> for each connection that may still write, `cut`: the last cut's number, `dead`.
-- `taken`: what the cuts took that the node doesn't know yet, each behind its number.
local p, run, id = KEYS[1], ARGV[1], ARGV[2]
local link, taken = p .. 'link', p .. 'taken'
if redis.call('HGET', link, 'dead') then
  return {'dead'}
end
local old = {}
for _, field in ipairs(redis.call('HKEYS', link)) do
  local its_run, its_id = string.match(field, '^c:([^:]*):(.*)$')
  if its_run and its_run ~= run then
    redis.call('HDEL', link, field)
  elseif its_run and its_id ~= id then
    old[#old + 1] = its_id
  end
end
redis.call('HSET', link, 'c:' .. run .. ':' .. id, 1)
if ARGV[4] == '1' then
  redis.call('PERSIST', link)
else
  redis.call('EXPIRE', link, 86400)
end
local function number(entry)
  return tonumber(string.match(entry, '^%d+'))
end
local first = redis.call('LINDEX', taken, 0)
while first and number(first) <= tonumber(ARGV[3]) do
  redis.call('LPOP', taken)
  first = redis.call('LINDEX', taken, 0)
end
local cuts = redis.call('LRANGE', taken, 0, 15)
return {'ok', redis.call('HGET', link, 'cut') or '0', redis.call('LLEN', taken) > #cuts and 1 or 0,
  old, cuts}
