-- Lets a dead letter be tried again, as often as a new vote.
--
-- KEYS[1]: the inbox. ARGV[1]: its number. Gives whether it was a dead letter.

local inbox, number = KEYS[1], ARGV[1]
if redis.call('ZREM', inbox .. ':dead', number) == 0 then
  return 0
end
redis.call('HDEL', inbox .. ':tries', number)
redis.call('HDEL', inbox .. ':errors', number)
local vote = cmsgpack.unpack(redis.call('HGET', inbox .. ':votes', number))
local voter = vote[4] ~= '' and vote[4] or vote[3]
local queue = inbox .. ':q:' .. voter
redis.call('HSET', inbox .. ':undone', number, voter)
if redis.call('EXISTS', queue) == 0 then
  redis.call('XADD', inbox .. ':turns', '*', 'voter', voter)
end
redis.call('ZADD', queue, redis.call('ZSCORE', inbox .. ':time', number), number)
return 1
