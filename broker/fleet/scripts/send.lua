#!lua flags=allow-oom
-- A small entry for a node's inbox that may not wait for room: a request, its answer, a marker. Messages
-- are added without a script, which Redis refuses when it is full. KEYS: inbox. ARGV: batch.
-- Returns the entry's id, nil: there is no such inbox.
return redis.call('XADD', KEYS[1], 'NOMKSTREAM', '*', 'd', ARGV[1])
