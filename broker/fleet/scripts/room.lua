#!lua
-- Asks whether Redis has room: refused while Redis is full, like every script without a flag.
-- KEYS: fleet prefix. Returns 1.
return 1
