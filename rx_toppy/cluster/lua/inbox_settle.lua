-- Writes down what became of votes, and gives each voter's turn on.
--
-- Only who holds a turn may say what became of it: another one may have claimed it meanwhile, and
-- is handling the vote again. So it may also be said twice, as when the first answer was lost.
--
-- KEYS[1]: the inbox. ARGV[1]: the consumer. ARGV[2]: how long votes are kept, in microseconds.
-- ARGV[3]: MessagePack of {{turn, voter, number, status, tries, error, milliseconds to the next}...}
-- Gives for each of them 1 where it is written down (by now or before), else 0.

local inbox, consumer = KEYS[1], ARGV[1]
local turns, undone = inbox .. ':turns', inbox .. ':undone'
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local keep = tonumber(ARGV[2])

local function is_held(turn)
  local held = redis.pcall('XPENDING', turns, 'handlers', turn, turn, 1)[1]
  return held and held[2] == consumer
end

local function is_settled(number, status, tries)
  if status == 'failed' then
    return tonumber(redis.call('HGET', inbox .. ':tries', number) or 0) >= tries
  end
  return redis.call('HEXISTS', undone, number) == 0
end

local function write(queue, number, status, tries, said)
  if status == 'done' then
    redis.call('HDEL', inbox .. ':tries', number)
    redis.call('HDEL', inbox .. ':errors', number)
  else
    redis.call('HSET', inbox .. ':tries', number, tries)
    redis.call('HSET', inbox .. ':errors', number, said)
  end
  if status == 'dead' then
    redis.call('ZADD', inbox .. ':dead', tonumber(number), number)
  end
  if status ~= 'failed' then
    redis.call('ZREM', queue, number)
    redis.call('HDEL', undone, number)
  end
  if status == 'done' and tonumber(redis.call('ZSCORE', inbox .. ':time', number)) < now - keep then
    -- It is old already: whoever forgets the old ones may have been past it.
    redis.call('ZADD', inbox .. ':overdue', now + keep, number)
  end
end

local written = {}
for place, one in ipairs(cmsgpack.unpack(ARGV[3])) do
  local turn, voter, number, status, tries, said, pause = unpack(one)
  local queue = inbox .. ':q:' .. voter
  if is_held(turn) then
    redis.call('XACK', turns, 'handlers', turn)
    redis.call('XDEL', turns, turn)
    if redis.call('HEXISTS', undone, number) == 1 then
      write(queue, number, status, tries, said)
    end
    if redis.call('EXISTS', queue) == 1 then
      if status == 'failed' then
        redis.call('ZADD', inbox .. ':later', now / 1000 + pause, voter)
      else
        redis.call('XADD', turns, '*', 'voter', voter)
      end
    end
    written[place] = 1
  else
    written[place] = is_settled(number, status, tries) and 1 or 0
  end
end
return written
