-- The oldest vote of each of the voters whose turns have been taken.
--
-- KEYS[1]: the inbox. ARGV: a turn, its voter, a turn, its voter...
-- Gives {{turn, voter, number, record, tries}...}. A turn of somebody who has no votes is ended.

local inbox = KEYS[1]
local found = {}
for place = 1, #ARGV, 2 do
  local turn, voter = ARGV[place], ARGV[place + 1]
  local number = redis.call('ZRANGE', inbox .. ':q:' .. voter, 0, 0)[1]
  if number then
    local record = redis.call('HGET', inbox .. ':votes', number)
    local tries = redis.call('HGET', inbox .. ':tries', number) or '0'
    found[#found + 1] = {turn, voter, number, record, tries}
  else
    redis.call('XACK', inbox .. ':turns', 'handlers', turn)
    redis.call('XDEL', inbox .. ':turns', turn)
  end
end
return found
