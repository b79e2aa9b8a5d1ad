#!lua flags=allow-oom
-- A small entry for a node's inbox that can't wait for room: a request, its answer, a marker. (Messages
-- are added by a plain XADD, which Redis refuses when it is full.) KEYS: inbox. ARGV: batch.
-- Returns the entry's id; nil: there is no such inbox.
return redis.call('XADD', KEYS[1], 'NOMKSTREAM', '*', 'd', ARGV[1])
