-- Keeps what a consumer has in hand from being claimed by another.
--
-- KEYS[1]: the inbox. ARGV[1]: the consumer. ARGV[2]...: turns.
-- Gives those that it does not hold any more. (A plain XCLAIM would take them back.)

local turns, consumer = KEYS[1] .. ':turns', ARGV[1]
local lost = {}
for place = 2, #ARGV do
  local held = redis.pcall('XPENDING', turns, 'handlers', ARGV[place], ARGV[place], 1)[1]
  if held and held[2] == consumer then
    redis.call('XCLAIM', turns, 'handlers', consumer, 0, ARGV[place], 'JUSTID')
  else
    lost[#lost + 1] = ARGV[place]
  end
end
return lost
