#!lua
-- Refused while Redis is full, as every script that isn't flagged. KEYS: fleet prefix. Returns 1.
return 1
