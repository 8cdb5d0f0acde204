-- Forgets old votes that are done, some at a time, and consumers that are gone and hold nothing.
--
-- KEYS[1]: the inbox. ARGV[1]: how long votes are kept, in microseconds. ARGV[2]: how many votes to
-- look at. ARGV[3]: how many milliseconds a consumer has been gone for.
-- Gives whether there may be more to forget.

local inbox, turns = KEYS[1], KEYS[1] .. ':turns'
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local limit = tonumber(ARGV[2])

local function forget(number)
  local vote = cmsgpack.unpack(redis.call('HGET', inbox .. ':votes', number))
  redis.call('HDEL', inbox .. ':votes', number)
  redis.call('ZREM', inbox .. ':time', number)
  redis.call('ZREM', inbox .. ':overdue', number)
  if redis.call('HGET', inbox .. ':ids', vote[2]) == number then
    redis.call('HDEL', inbox .. ':ids', vote[2])
  end
  redis.call('ZREM', inbox .. ':u:' .. vote[3], number)
  redis.call('ZREM', inbox .. ':p:' .. vote[4], number)
end

local function is_settled(number)
  return redis.call('HEXISTS', inbox .. ':undone', number) == 0
    and not redis.call('ZSCORE', inbox .. ':dead', number)
    and not redis.call('ZSCORE', inbox .. ':overdue', number)
end

-- Those that wait, are dead letters or were late are passed, and not looked at again: when they are
-- settled, they are overdue.
local forgotten = redis.call('GET', inbox .. ':forgotten') or '-inf'
local before = string.format('(%.0f', now - ARGV[1])
local old = redis.call(
  'ZRANGEBYSCORE', inbox .. ':time', forgotten, before, 'WITHSCORES', 'LIMIT', 0, limit)
local count = 0
for place = 1, #old, 2 do
  if is_settled(old[place]) then
    forget(old[place])
    count = count + 1
  end
end
if #old > 0 then
  -- What is left of the last one's moment is looked at again, unless nothing of all could go.
  redis.call('SET', inbox .. ':forgotten', (count > 0 and '' or '(') .. old[#old])
end
local overdue = redis.call('ZRANGEBYSCORE', inbox .. ':overdue', '-inf', now, 'LIMIT', 0, limit)
for _, number in ipairs(overdue) do
  forget(number)
end

local consumers = redis.pcall('XINFO', 'CONSUMERS', turns, 'handlers')
for _, one in ipairs(consumers) do -- {"name", ..., "pending", ..., "idle", ...}
  if one[4] == 0 and one[6] > tonumber(ARGV[3]) then
    redis.call('XGROUP', 'DELCONSUMER', turns, 'handlers', one[2])
  end
end
return (#old == 2 * limit or #overdue == limit) and 1 or 0
