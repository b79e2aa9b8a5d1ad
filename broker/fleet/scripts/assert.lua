#!lua flags=allow-oom
-- Rule 9: writes a connection's hold again, after Redis came back with less than it had.
-- KEYS: bucket prefix. ARGV: client, epoch, node, durable, will, will delay, expiry in s, user ('': any),
-- when its CONNECT arrived, this run of Redis, the run in which the connection's queue was read, last
-- sequence that was sent, next sequence to be read, number of unfinished sequences, do its subscriptions
-- follow in pieces (assert_part.lua; 0, 1), the unfinished sequences, filter, options, ...
-- Returns 1; or 0 when a newer connection has the client id; or 2 when something is queued that the
-- connection won't read, or that has the sequence of another message that it was sent.
-- Afterwards these are a durable session's subscriptions, and what is queued from now on gets sequences
-- above those that were sent.
local p, c, node = KEYS[1], ARGV[1], ARGV[3]
local s, f = p .. 's:' .. c, p .. 'f:' .. c
local was = redis.call('HMGET', s, 'epoch', 'n')
local epoch = was[1]
if epoch and tonumber(epoch) > tonumber(ARGV[2]) then
  return 0
end
if epoch ~= ARGV[2] or redis.call('HGET', s, 'owner') ~= node then
  redis.call('SADD', p .. 'own:' .. node, c)
  redis.call('HSET', s, 'owner', node, 'epoch', ARGV[2], 'dur', ARGV[4], 'w', ARGV[5], 'wd', ARGV[6],
    'exp', ARGV[7], 'st', ARGV[9], 'n', ARGV[4])
  if (was[2] == '1') ~= (ARGV[4] == '1') then
    redis.call('INCRBY', p .. 'count', ARGV[4] == '1' and 1 or -1)
  end
  if ARGV[8] ~= '' then
    redis.call('HSET', s, 'u', ARGV[8])
  end
end
if ARGV[4] ~= '1' then
  return 1
end
local h = redis.call('HMGET', s, 'run', 'r0', 'nseq')
local nseq, others = tonumber(h[3] or 0), math.huge -- sequences above: queued in this run, before this
if h[1] ~= ARGV[10] then
  redis.call('HSET', s, 'run', ARGV[10], 'r0', nseq)
elseif ARGV[11] ~= ARGV[10] then
  others = tonumber(h[2])
end
if nseq < tonumber(ARGV[12]) then
  redis.call('HSET', s, 'nseq', ARGV[12])
end
local open, subs = {}, 16 + tonumber(ARGV[14])
for i = 16, subs - 1 do
  open[ARGV[i]] = true
end
-- One by one, because they may be large; those that the connection knows are few.
local answer, from = 1, '-'
while answer == 1 and from do
  local entry = redis.call('XRANGE', p .. 'q:' .. c, from, '+', 'COUNT', 1)[1]
  local seq = entry and string.match(entry[1], '^%d+')
  from = entry and '(' .. entry[1]
  if not entry or tonumber(seq) >= tonumber(ARGV[13]) then
    from = nil
  elseif not open[seq] or tonumber(seq) > others then
    answer = 2
  end
end
if ARGV[15] == '1' then
  return answer
end
redis.call('UNLINK', f)
for i = subs, #ARGV, 2 do
  redis.call('HSET', f, ARGV[i], ARGV[i + 1])
end
redis.call(#ARGV >= subs and 'SADD' or 'SREM', p .. 'dir', c)
return answer
