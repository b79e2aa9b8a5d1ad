-- A Redis in one table: what the fleet's scripts and links ask of one, for fuzz targets (redis_stub.h). It runs
-- the scripts as they are. Keys that expire do; nothing is ever full.
--
-- model.now: milliseconds. model.run(argv): the answer of a command, in Redis' protocol. model.reset().
local model = {now = 0}
local keys, scripts, messages, connection
-- Of buckets where nothing was ever written, what the scripts answer that look through all of them.
local written, of_nothing = {}, {}

function model.reset()
  keys, messages, connection, written = {}, {}, 0, {}
end

local function bucket_of(key)
  return string.match(key, '^[^}]*}')
end

-- ---- values ----------------------------------------------------------------------------------------

local function get(key, kind)
  local k = keys[key]
  if k and k.until_ms and k.until_ms <= model.now then
    keys[key], k = nil, nil
  end
  if k and kind and k.kind ~= kind then
    error({err = 'WRONGTYPE ' .. key})
  end
  return k
end

local function make(key, kind)
  local k = get(key, kind)
  if not k then
    written[bucket_of(key) or key] = true
    k = {kind = kind, v = {}, n = 0}
    keys[key] = k
  end
  return k
end

local function drop_if_empty(key)
  local k = keys[key]
  if k and k.kind ~= 'string' and k.kind ~= 'stream' and k.n == 0 then
    keys[key] = nil
  end
end

local function sorted(t)
  local names = {}
  for name in pairs(t) do
    names[#names + 1] = name
  end
  table.sort(names)
  return names
end

local function number(text)
  local n = tonumber(text)
  if not n then
    error({err = 'ERR value is not a number: ' .. tostring(text)})
  end
  return n
end

local function whole(n)
  return string.format('%.0f', n)
end

local function score(n)
  return n == math.floor(n) and whole(n) or string.format('%.17g', n)
end

local OK = {ok = 'OK'}
local commands = {}

-- ---- strings and keys ------------------------------------------------------------------------------

function commands.GET(key)
  local k = get(key, 'string')
  return k and k.v or false
end

function commands.SET(key, value, how)
  if how == 'NX' and get(key) then
    return false
  end
  written[bucket_of(key) or key] = true
  keys[key] = {kind = 'string', v = value}
  return OK
end

function commands.INCRBY(key, by)
  local k = get(key, 'string')
  local n = number(k and k.v or '0') + number(by)
  if k then
    k.v = whole(n)
  else
    commands.SET(key, whole(n))
  end
  return n
end

function commands.INCR(key)
  return commands.INCRBY(key, 1)
end

function commands.DECR(key)
  return commands.INCRBY(key, -1)
end

function commands.DEL(...)
  local n = 0
  for _, key in ipairs({...}) do
    n = n + (get(key) and 1 or 0)
    keys[key] = nil
  end
  return n
end

commands.UNLINK = commands.DEL

function commands.EXISTS(key)
  return get(key) and 1 or 0
end

function commands.PEXPIRE(key, ms)
  local k = get(key)
  if not k then
    return 0
  end
  k.until_ms = model.now + number(ms)
  return 1
end

function commands.EXPIRE(key, s)
  return commands.PEXPIRE(key, number(s) * 1000)
end

function commands.PERSIST(key)
  local k = get(key)
  local had = k and k.until_ms
  if k then
    k.until_ms = nil
  end
  return had and 1 or 0
end

function commands.RENAME(from, to)
  if not get(from) then
    error({err = 'ERR no such key'})
  end
  keys[to], keys[from] = keys[from], nil
  return OK
end

-- ---- hashes ----------------------------------------------------------------------------------------

function commands.HGET(key, field)
  local k = get(key, 'hash')
  return k and k.v[field] or false
end

function commands.HMGET(key, ...)
  local out = {}
  for i, field in ipairs({...}) do
    out[i] = commands.HGET(key, field)
  end
  return out
end

function commands.HSET(key, ...)
  local k, args, new = make(key, 'hash'), {...}, 0
  for i = 1, #args, 2 do
    if k.v[args[i]] == nil then
      new, k.n = new + 1, k.n + 1
    end
    k.v[args[i]] = args[i + 1]
  end
  return new
end

function commands.HSETNX(key, field, value)
  if commands.HGET(key, field) then
    return 0
  end
  return commands.HSET(key, field, value)
end

function commands.HDEL(key, ...)
  local k, gone = get(key, 'hash'), 0
  for _, field in ipairs({...}) do
    if k and k.v[field] ~= nil then
      k.v[field] = nil
      gone, k.n = gone + 1, k.n - 1
    end
  end
  drop_if_empty(key)
  return gone
end

function commands.HEXISTS(key, field)
  return commands.HGET(key, field) and 1 or 0
end

function commands.HLEN(key)
  local k = get(key, 'hash')
  return k and k.n or 0
end

function commands.HKEYS(key)
  local k = get(key, 'hash')
  return k and sorted(k.v) or {}
end

function commands.HGETALL(key)
  local k, out = get(key, 'hash'), {}
  for _, field in ipairs(k and sorted(k.v) or {}) do
    out[#out + 1] = field
    out[#out + 1] = k.v[field]
  end
  return out
end

function commands.HINCRBY(key, field, by)
  local n = number(commands.HGET(key, field) or '0') + number(by)
  commands.HSET(key, field, whole(n))
  return n
end

function commands.HSTRLEN(key, field)
  return #(commands.HGET(key, field) or '')
end

function commands.HRANDFIELD(key, count)
  local k, out = get(key, 'hash'), {}
  for i, field in ipairs(k and sorted(k.v) or {}) do
    if i <= number(count) then
      out[#out + 1] = field
      out[#out + 1] = k.v[field]
    end
  end
  return out
end

-- A cursor says how many were read. Redis may give a field twice, or more than was asked for; not fewer.
local function scan(list, cursor, count, step)
  local from, out = number(cursor), {}
  local to = math.min(#list / step, from + number(count or 10))
  for i = from * step + 1, to * step do
    out[#out + 1] = list[i]
  end
  return {to < #list / step and whole(to) or '0', out}
end

function commands.HSCAN(key, cursor, _, count)
  return scan(commands.HGETALL(key), cursor, count, 2)
end

-- ---- sets and lists --------------------------------------------------------------------------------

function commands.SADD(key, ...)
  local k, new = make(key, 'set'), 0
  for _, member in ipairs({...}) do
    if not k.v[member] then
      k.v[member] = true
      new, k.n = new + 1, k.n + 1
    end
  end
  return new
end

function commands.SREM(key, ...)
  local k, gone = get(key, 'set'), 0
  for _, member in ipairs({...}) do
    if k and k.v[member] then
      k.v[member] = nil
      gone, k.n = gone + 1, k.n - 1
    end
  end
  drop_if_empty(key)
  return gone
end

function commands.SCARD(key)
  local k = get(key, 'set')
  return k and k.n or 0
end

function commands.SRANDMEMBER(key, count)
  local k = get(key, 'set')
  return scan(k and sorted(k.v) or {}, 0, count, 1)[2]
end

function commands.SPOP(key, count)
  local out = commands.SRANDMEMBER(key, count)
  commands.SREM(key, unpack(out))
  return out
end

function commands.SSCAN(key, cursor, _, count)
  local k = get(key, 'set')
  return scan(k and sorted(k.v) or {}, cursor, count, 1)
end

function commands.RPUSH(key, ...)
  local k = make(key, 'list')
  for _, value in ipairs({...}) do
    k.n = k.n + 1
    k.v[k.n] = value
  end
  return k.n
end

function commands.LPOP(key)
  local k = get(key, 'list')
  local first = k and table.remove(k.v, 1)
  if first then
    k.n = k.n - 1
  end
  drop_if_empty(key)
  return first or false
end

function commands.LINDEX(key, at)
  local k = get(key, 'list')
  return k and k.v[number(at) + 1] or false
end

function commands.LLEN(key)
  local k = get(key, 'list')
  return k and k.n or 0
end

function commands.LRANGE(key, from, to)
  local k, out = get(key, 'list'), {}
  for i = number(from) + 1, k and math.min(k.n, number(to) + 1) or 0 do
    out[#out + 1] = k.v[i]
  end
  return out
end

-- ---- sorted sets -----------------------------------------------------------------------------------

local function ranked(key)
  local k, out = get(key, 'zset'), {}
  for member, at in pairs(k and k.v or {}) do
    out[#out + 1] = {member, at}
  end
  table.sort(out, function(a, b)
    return a[2] < b[2] or (a[2] == b[2] and a[1] < b[1])
  end)
  return out
end

function commands.ZADD(key, ...)
  local args, at, new = {...}, 1, 0
  local only_new = args[1] == 'NX'
  local k = make(key, 'zset')
  for i = only_new and 2 or 1, #args, 2 do
    local member = args[i + 1]
    if k.v[member] == nil then
      new, k.n = new + 1, k.n + 1
    end
    if k.v[member] == nil or not only_new then
      k.v[member] = number(args[i])
    end
  end
  return new
end

function commands.ZREM(key, ...)
  local k, gone = get(key, 'zset'), 0
  for _, member in ipairs({...}) do
    if k and k.v[member] then
      k.v[member] = nil
      gone, k.n = gone + 1, k.n - 1
    end
  end
  drop_if_empty(key)
  return gone
end

function commands.ZCARD(key)
  local k = get(key, 'zset')
  return k and k.n or 0
end

function commands.ZSCORE(key, member)
  local k = get(key, 'zset')
  return k and k.v[member] and score(k.v[member]) or false
end

local function members(list, with_scores)
  local out = {}
  for _, e in ipairs(list) do
    out[#out + 1] = e[1]
    if with_scores then
      out[#out + 1] = score(e[2])
    end
  end
  return out
end

local function bound(text)
  local open = string.sub(text, 1, 1) == '('
  text = open and string.sub(text, 2) or text
  local n = text == '-inf' and -math.huge or text == '+inf' and math.huge or number(text)
  return n, open
end

local function by_score(key, from, to, offset, count)
  local out, skip = {}, number(offset or 0)
  local low, above = bound(from)
  local high, below = bound(to)
  for _, e in ipairs(ranked(key)) do
    local is_in = (e[2] > low or (e[2] == low and not above)) and
      (e[2] < high or (e[2] == high and not below))
    if is_in and skip > 0 then
      skip = skip - 1
    elseif is_in and (not count or #out < number(count)) then
      out[#out + 1] = e
    end
  end
  return out
end

local function by_rank(key, from, to)
  local all, out = ranked(key), {}
  local first, last = number(from), number(to)
  first = first < 0 and #all + first or first
  last = last < 0 and #all + last or last
  for i = math.max(first, 0) + 1, math.min(last + 1, #all) do
    out[#out + 1] = all[i]
  end
  return out
end

-- What options there are, behind the first three arguments.
local function options(args)
  local o, i = {}, 4
  while i <= #args do
    o[args[i]] = true
    if args[i] == 'LIMIT' then
      o.offset, o.count, i = args[i + 1], args[i + 2], i + 2
    end
    i = i + 1
  end
  return o
end

function commands.ZRANGE(...)
  local args = {...}
  local o = options(args)
  local list = o.BYSCORE and by_score(args[1], args[2], args[3], o.offset, o.count) or
    by_rank(args[1], args[2], args[3])
  return members(list, o.WITHSCORES)
end

function commands.ZRANGEBYSCORE(...)
  local args = {...}
  local o = options(args)
  return members(by_score(args[1], args[2], args[3], o.offset, o.count), o.WITHSCORES)
end

function commands.ZRANGEBYLEX(key, from, to, _, offset, count)
  local out = {}
  local low, high = string.sub(from, 2), string.sub(to, 2)
  for _, e in ipairs(ranked(key)) do
    local above = from == '-' or e[1] > low or (e[1] == low and string.sub(from, 1, 1) == '[')
    local below = to == '+' or e[1] < high or (e[1] == high and string.sub(to, 1, 1) == '[')
    if above and below and #out < number(count) + number(offset) then
      out[#out + 1] = e[1]
    end
  end
  return out
end

local function remove_all(key, list)
  local n = 0
  for _, e in ipairs(list) do
    n = n + commands.ZREM(key, e[1])
  end
  return n
end

function commands.ZREMRANGEBYRANK(key, from, to)
  return remove_all(key, by_rank(key, from, to))
end

function commands.ZREMRANGEBYSCORE(key, from, to)
  return remove_all(key, by_score(key, from, to))
end

-- ---- streams ---------------------------------------------------------------------------------------

local function id_of(text, otherwise)
  local ms, n = string.match(text, '^(%d+)%-(%d+)$')
  if not ms then
    ms, n = string.match(text, '^(%d+)$'), otherwise
  end
  if not ms then
    error({err = 'ERR Invalid stream ID specified: ' .. text})
  end
  return {tonumber(ms), tonumber(n)}
end

local function is_below(a, b)
  return a[1] < b[1] or (a[1] == b[1] and a[2] < b[2])
end

local function as_reply(e)
  return {whole(e.id[1]) .. '-' .. whole(e.id[2]), e.fields}
end

function commands.XADD(key, ...)
  local args, at = {...}, 1
  if args[at] == 'NOMKSTREAM' then
    if not get(key) then
      return false
    end
    at = at + 1
  end
  local most
  if args[at] == 'MAXLEN' then
    most, at = number(args[at + 2]), at + 3 -- behind `~`
  end
  local k = make(key, 'stream')
  local id
  if args[at] == '*' then
    id = {model.now, 0}
    if k.last and not is_below(k.last, id) then
      id = {k.last[1], k.last[2] + 1}
    end
  else
    id = id_of(args[at], 0)
    if k.last and not is_below(k.last, id) then
      error({err = 'ERR The ID specified in XADD is equal or smaller than the target stream top item'})
    end
  end
  local fields = {}
  for i = at + 1, #args do
    fields[#fields + 1] = args[i]
  end
  k.last = id
  k.n = k.n + 1
  k.v[k.n] = {id = id, fields = fields}
  while most and k.n > most do
    table.remove(k.v, 1)
    k.n = k.n - 1
  end
  return as_reply(k.v[k.n])[1]
end

function commands.XLEN(key)
  local k = get(key, 'stream')
  return k and k.n or 0
end

function commands.XDEL(key, ...)
  local k, gone = get(key, 'stream'), 0
  for _, text in ipairs({...}) do
    local id = id_of(text, 0)
    for i = k and k.n or 0, 1, -1 do
      if k.v[i].id[1] == id[1] and k.v[i].id[2] == id[2] then
        table.remove(k.v, i)
        gone, k.n = gone + 1, k.n - 1
      end
    end
  end
  return gone
end

function commands.XTRIM(key, _, from)
  local k, gone, first = get(key, 'stream'), 0, id_of(from, 0)
  while k and k.n > 0 and is_below(k.v[1].id, first) do
    table.remove(k.v, 1)
    gone, k.n = gone + 1, k.n - 1
  end
  return gone
end

function commands.XRANGE(key, from, to, _, count)
  local k, out = get(key, 'stream'), {}
  local open = string.sub(from, 1, 1) == '('
  local low = from == '-' and {0, 0} or id_of(open and string.sub(from, 2) or from, 0)
  local high = to == '+' and {math.huge, 0} or id_of(to, math.huge)
  for i = 1, k and k.n or 0 do
    local id = k.v[i].id
    if not is_below(id, low) and not (open and not is_below(low, id)) and not is_below(high, id) and
      (not count or #out < number(count)) then
      out[#out + 1] = as_reply(k.v[i])
    end
  end
  return out
end

-- nil: nothing is there yet, and the asker waits.
function commands.XREAD(_, count, _, _, _, key, after)
  local k = get(key, 'stream')
  if after == '$' then
    error({err = 'ERR this model has no $'})
  end
  local list = k and commands.XRANGE(key, '(' .. whole(id_of(after, 0)[1]) .. '-' ..
    whole(id_of(after, 0)[2]), '+', 'COUNT', count) or {}
  return #list > 0 and {{key, list}} or nil
end

-- ---- the rest --------------------------------------------------------------------------------------

function commands.TIME()
  return {whole(math.floor(model.now / 1000)), whole(model.now % 1000 * 1000)}
end

function commands.INFO()
  return 'redis_version:7.0.15\r\nrun_id:' .. model.run_id .. '\r\nused_memory:1000\r\nmaxmemory:0\r\n' ..
    'total_system_memory:1000000000\r\nmaxmemory_policy:noeviction\r\n'
end

function commands.CONFIG()
  return {}
end

function commands.PING()
  return {ok = 'PONG'}
end

function commands.CLIENT(what)
  if what == 'ID' then
    connection = connection + 1
    return connection
  end
  if what == 'KILL' then
    return 0
  end
  return what == 'REPLY' and {err = 'NOPERM'} or OK
end

function commands.SUBSCRIBE(channel)
  return {'subscribe', channel, 1}
end

function commands.PUBLISH(channel, text)
  messages[#messages + 1] = {'message', channel, text}
  return 1
end

-- What was published: to whoever subscribes. (There is one channel per node, and one node.)
function model.messages()
  local list = messages
  messages = {}
  return list
end

-- ---- scripts ---------------------------------------------------------------------------------------

redis = {sha1hex = function(text)
  return string.format('%040x', #text)
end}

local function call(name, ...)
  local command = commands[string.upper(name)]
  if not command then
    error({err = 'ERR unknown command ' .. name})
  end
  local args = {...}
  for i = 1, #args do
    args[i] = type(args[i]) == 'number' and string.format('%.17g', args[i]) or args[i]
  end
  return command(unpack(args))
end

redis.call = call

function redis.pcall(...)
  local ok, answer = pcall(call, ...)
  return answer
end

bit = {band = function(a, b)
  local out, at = 0, 1
  while a > 0 and b > 0 do
    if a % 2 == 1 and b % 2 == 1 then
      out = out + at
    end
    a, b, at = math.floor(a / 2), math.floor(b / 2), at * 2
  end
  return out
end}

struct = {unpack = function(_, text, at) -- always '>I8'
  local n = 0
  for i = at, at + 7 do
    n = n * 256 + string.byte(text, i)
  end
  return n, at + 8
end}

-- Lists and texts only: each text with its length, each list with its count. (Not MessagePack: nobody else reads it.)
cmsgpack = {}

function cmsgpack.pack(value)
  if type(value) ~= 'table' then
    return 's' .. #value .. ':' .. value
  end
  local out = {'l' .. #value .. ':'}
  for i = 1, #value do
    out[i + 1] = cmsgpack.pack(value[i])
  end
  return table.concat(out)
end

local function unpack_at(text, at)
  local kind, n, from = string.match(text, '^([sl])(%d+):()', at)
  if kind == 's' then
    return string.sub(text, from, from + n - 1), from + n
  end
  local list = {}
  for i = 1, tonumber(n) do
    list[i], from = unpack_at(text, from)
  end
  return list, from
end

function cmsgpack.unpack(text)
  return (unpack_at(text, 1))
end

scripts = {}

-- From the program: a script's text under its digest. `looks`: it goes through all buckets.
function model.add_script(sha, text, looks)
  of_nothing[sha] = looks and {} or nil
  local chunk, why = loadstring(string.gsub(text, '^#![^\n]*', '', 1), sha)
  if not chunk then
    error(why)
  end
  scripts[sha] = chunk
end

function commands.SCRIPT(_, text)
  return string.rep('0', 40)
end

function commands.EVALSHA(sha, _, key, ...)
  local script = scripts[sha]
  if not script then
    error({err = 'NOSCRIPT No matching script.'})
  end
  KEYS, ARGV = {key}, {...}
  return script()
end

-- ---- answers ---------------------------------------------------------------------------------------

local function encode(v, out)
  if v == nil or v == false then
    out[#out + 1] = '$-1\r\n'
  elseif v == true then
    out[#out + 1] = ':1\r\n'
  elseif type(v) == 'number' then
    out[#out + 1] = ':' .. whole(v < 0 and math.ceil(v) or math.floor(v)) .. '\r\n'
  elseif type(v) == 'string' then
    out[#out + 1] = '$' .. #v .. '\r\n' .. v .. '\r\n'
  elseif v.ok then
    out[#out + 1] = '+' .. v.ok .. '\r\n'
  elseif v.err then
    out[#out + 1] = '-' .. v.err .. '\r\n'
  else
    -- As Redis does it: a list ends at its first nil.
    local n = 0
    while v[n + 1] ~= nil do
      n = n + 1
    end
    out[#out + 1] = '*' .. n .. '\r\n'
    for i = 1, n do
      encode(v[i], out)
    end
  end
end

function model.encode(v)
  local out = {}
  encode(v, out)
  return table.concat(out)
end

-- The answer's text; nil: it comes later.
function model.run(argv)
  local known = of_nothing[argv[2]]
  if not known or written[bucket_of(argv[4])] then
    return model.run_now(argv)
  end
  local key = table.concat(argv, ' ', 5)
  known[key] = known[key] or model.run_now(argv)
  return known[key]
end

function model.run_now(argv)
  local command = commands[string.upper(argv[1])]
  if not command then
    return model.encode({err = 'ERR unknown command ' .. argv[1]}), true
  end
  local ok, answer = pcall(command, unpack(argv, 2))
  if not ok then
    if type(answer) ~= 'table' then
      return model.encode({err = 'ERR ' .. tostring(answer)}), true
    end
    return model.encode(answer)
  end
  if answer == nil and string.upper(argv[1]) == 'XREAD' then
    return nil
  end
  return model.encode(answer)
end

model.reset()
return model
