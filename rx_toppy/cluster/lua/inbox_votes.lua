-- A page of the votes that are kept, oldest first.
--
-- KEYS[1]: the inbox. ARGV[1]: from when on, in microseconds. ARGV[2], ARGV[3]: time and number of
-- the vote that it goes on behind, "" at the beginning. ARGV[4]: how many.
-- Gives {number, time, record, number, time, record...}.

local inbox, time = KEYS[1], KEYS[1] .. ':time'
local start
if ARGV[2] == '' then
  start = redis.call('ZCOUNT', time, '-inf', '(' .. ARGV[1])
else
  local rank = redis.call('ZRANK', time, ARGV[3]) -- it may have been forgotten meanwhile
  start = rank and rank + 1 or redis.call('ZCOUNT', time, '-inf', '(' .. ARGV[2])
end
local page = {}
local found = redis.call('ZRANGE', time, start, start + ARGV[4] - 1, 'WITHSCORES')
for place = 1, #found, 2 do
  page[#page + 1] = found[place]
  page[#page + 1] = found[place + 1]
  page[#page + 1] = redis.call('HGET', inbox .. ':votes', found[place])
end
return page
