-- Gives a turn to those voters whose pause after a failed try is over.
--
-- KEYS[1]: the inbox. ARGV[1]: how many at the most.
-- Gives how many milliseconds it is until the next one's is, or -1 where nobody pauses.

local inbox = KEYS[1]
local clock = redis.call('TIME')
local now = clock[1] * 1000 + clock[2] / 1000
local due = redis.call('ZRANGEBYSCORE', inbox .. ':later', '-inf', now, 'LIMIT', 0, ARGV[1])
for _, voter in ipairs(due) do
  redis.call('ZREM', inbox .. ':later', voter)
  redis.call('XADD', inbox .. ':turns', '*', 'voter', voter)
end
local first = redis.call('ZRANGE', inbox .. ':later', 0, 0, 'WITHSCORES')
return first[2] and math.ceil(math.max(0, first[2] - now)) or -1
