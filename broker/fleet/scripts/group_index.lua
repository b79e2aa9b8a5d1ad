#!lua flags=allow-oom
-- Rule 12: a piece of what a group has from before there were indexes: who was a member at which node, and who had
-- taken what. KEYS: bucket prefix. ARGV: group. Returns 1 when all of it is in them, else 0.
-- `i` of `c:` is '1' then; before, which hash is read and HSCAN's cursor. Meanwhile the other scripts keep the indexes
-- for what comes; what is in one already is passed over.
local p, g = KEYS[1], ARGV[1]
local counts = p .. 'c:' .. g
local at = redis.call('HGET', counts, 'i') or 'm0'
if at == '1' then
  return 1
end

local function add_member(c, member)
  local node = string.match(member, '^%d+ (%S+)')
  if node and node ~= '-' and redis.call('SADD', p .. 'mn:' .. node .. ':' .. g, c) == 1 then
    redis.call('HINCRBY', counts, 'm', 1)
  end
end

local function add_taken(n, note)
  local node = string.match(note, '^c%d+ (%S+) ')
  local client = string.match(note, '^d%d %d+ %S+ (.*)$')
  local key = node and p .. 'tn:' .. node .. ':' .. g or p .. 'tc:' .. (client or '') .. '\0' .. g
  local part = string.match(n, ':(%d+)$')
  if redis.call('ZADD', key, string.match(n, '^%d+'), n) == 1 and part then
    redis.call('HINCRBY', p .. 'tp:' .. g, part, 1)
  end
end

local what, cursor = string.match(at, '^(.)(%d+)$')
local answer = redis.call('HSCAN', p .. what .. ':' .. g, cursor, 'COUNT', 250)
local pairs_read = answer[2]
for i = 1, #pairs_read, 2 do
  if what == 'm' then
    add_member(pairs_read[i], pairs_read[i + 1])
  else
    add_taken(pairs_read[i], pairs_read[i + 1])
  end
end
if answer[1] ~= '0' then
  at = what .. answer[1]
else
  at = what == 'm' and 't0' or '1'
end
redis.call('HSET', counts, 'i', at)
return at == '1' and 1 or 0
