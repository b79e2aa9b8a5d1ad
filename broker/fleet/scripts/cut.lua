#!lua flags=allow-oom
-- Fencing: takes clients from a node that is silent or dead; what that node may still write for them must
-- have no effect. Afterwards the caller closes the node's connections at Redis. The node reads what it
-- lost when it registers again.
-- KEYS: prefix of the node. ARGV: what is taken from it (client, epoch, ...; may be ''), is it dead
-- (0, 1). Returns {<run>:<id> of a connection, ...}.
local p = KEYS[1]
local link, taken = p .. 'link', p .. 'taken'
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
-- Above the numbers of a history that Redis lost, so that the node notices that it is new.
local number = math.max(tonumber(redis.call('HGET', link, 'cut') or 0) + 1, now)
local text = string.format('%.0f', number)
local ids = {}
for _, field in ipairs(redis.call('HKEYS', link)) do
  local id = string.match(field, '^c:(.*)$')
  if id then
    ids[#ids + 1] = id
  end
end
redis.call('HSET', link, 'cut', text)
if ARGV[2] == '1' then
  redis.call('HSET', link, 'dead', 1)
  redis.call('DEL', taken)
elseif ARGV[1] ~= '' then
  redis.call('RPUSH', taken, text .. ' ' .. ARGV[1])
  redis.call('EXPIRE', taken, 86400)
end
if ARGV[2] == '1' or #ids == 0 then
  redis.call('EXPIRE', link, 86400)
end
return ids
