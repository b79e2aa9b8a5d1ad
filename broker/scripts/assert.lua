#!lua flags=allow-oom
-- Rule 9: a connection's hold after Redis came back with less than it had.
-- KEYS: bucket prefix. ARGV: client, epoch, node, durable, will, will delay, expiry in s,
-- user ('': any), when its CONNECT arrived, last sequence that was sent, next one to be read, number
-- of unfinished ones, these sequences, filter, options, ... Returns 1, or 0 when a newer connection has the client id, or 2 when something
-- is queued that the connection won't read. A durable session's subscriptions are these then, and
-- what is queued from now on comes behind what was sent.
local p, c, node = KEYS[1], ARGV[1], ARGV[3]
local s, f = p .. 's:' .. c, p .. 'f:' .. c
local epoch = redis.call('HGET', s, 'epoch')
if epoch and tonumber(epoch) > tonumber(ARGV[2]) then
  return 0
end
if epoch ~= ARGV[2] or redis.call('HGET', s, 'owner') ~= node then
  redis.call('SADD', p .. 'own:' .. node, c)
  redis.call('HSET', s, 'owner', node, 'epoch', ARGV[2], 'dur', ARGV[4], 'w', ARGV[5], 'wd', ARGV[6],
    'exp', ARGV[7], 'st', ARGV[9])
  if ARGV[8] ~= '' then
    redis.call('HSET', s, 'u', ARGV[8])
  end
end
if ARGV[4] ~= '1' then
  return 1
end
if tonumber(redis.call('HGET', s, 'nseq') or 0) < tonumber(ARGV[10]) then
  redis.call('HSET', s, 'nseq', ARGV[10])
end
local open, subs = {}, 13 + tonumber(ARGV[12])
for i = 13, subs - 1 do
  open[ARGV[i]] = true
end
-- One by one, they may be large; those it knows are soon over.
local answer, from = 1, '-'
while answer == 1 and from do
  local entry = redis.call('XRANGE', p .. 'q:' .. c, from, '+', 'COUNT', 1)[1]
  local seq = entry and string.match(entry[1], '^%d+')
  from = entry and '(' .. entry[1]
  if not entry or tonumber(seq) >= tonumber(ARGV[11]) then
    from = nil
  elseif not open[seq] then
    answer = 2
  end
end
redis.call('DEL', f)
for i = subs, #ARGV, 2 do
  redis.call('HSET', f, ARGV[i], ARGV[i + 1])
end
redis.call(#ARGV >= subs and 'SADD' or 'SREM', p .. 'dir', c)
return answer
