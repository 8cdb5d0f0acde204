-- One turn of a process at the budget that a cluster shares: it says what has ended, asks for
-- places, and hears what it was given. All times are milliseconds of this server's clock.
--
-- A window is a sorted set of sends, each with the time at which its place is free again: `per`
-- after it ended, and until that is known as late as it can possibly be.
--
-- Each process has two numbers put aside for it in each window, which it may use when it does not
-- hear of this server any more: `now` many at once, and `later` many when all that was granted
-- before has left the window. `now` of all processes fit into what is free, `later` into the limit.
local MEMBERS, ASIDE, SUMS, QUEUE, LEASES, BLOCKS, WANTED, SERIAL, PEAK, TURNS =
  KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6], KEYS[7], KEYS[8], KEYS[9], KEYS[10]
local said = cmsgpack.unpack(ARGV[1])
local clock = redis.call('TIME')
local now = clock[1] * 1000 + clock[2] / 1000
local me = said.me

-- Who sent this has stopped waiting for an answer (this server stood still): it is not done.
if said.by > 0 and now > said.by then return cmsgpack.pack({now}) end

local function window(place) return KEYS[10 + place] end

-- What is put aside, by process and as sums over all of them.
local function aside_of(member)
  local packed = redis.call('HGET', ASIDE, member)
  if packed then return cmsgpack.unpack(packed) end
  local pairs_of = {}
  for place = 1, #said.windows do pairs_of[place] = {0, 0} end
  return pairs_of
end

local function put_aside(member, pairs_of)
  for place, before in ipairs(aside_of(member)) do
    local after = pairs_of and pairs_of[place] or {0, 0}
    redis.call('HINCRBY', SUMS, 'now ' .. place, after[1] - before[1])
    redis.call('HINCRBY', SUMS, 'later ' .. place, after[2] - before[2])
  end
  if pairs_of then
    redis.call('HSET', ASIDE, member, cmsgpack.pack(pairs_of))
  else
    redis.call('HDEL', ASIDE, member)
  end
end

-- Who is there ------------------------------------------------------------------------------------

local function forget(member)
  redis.call('ZREM', MEMBERS, member)
  put_aside(member, nil)
end

if said.leaving then
  forget(me)
else
  redis.call('ZADD', MEMBERS, now, me)
end
for _, member in ipairs(redis.call('ZRANGEBYSCORE', MEMBERS, '-inf', now - said.drop)) do
  forget(member)
end
-- A process that has died and was started again is not two: where there are as many as there ever
-- were at one time, those that are not heard of have been replaced.
local present = redis.call('ZCOUNT', MEMBERS, now - said.present, '+inf')
local peak = tonumber(redis.call('GET', PEAK) or 0)
if present >= peak then
  peak = present
  redis.call('SET', PEAK, peak, 'PX', said.drop)
end
local silent = redis.call('ZRANGEBYSCORE', MEMBERS, '-inf', now - said.silence)
local surplus = redis.call('ZCARD', MEMBERS) - peak
for place = 1, math.min(surplus, #silent) do forget(silent[place]) end
local members = math.max(1, redis.call('ZCARD', MEMBERS))

-- Who does not hear of this server may be using what was put aside for later, and one call if that
-- was nothing. (Where there are more processes than calls, that one is in a longer time.)
local function used_alone(place, pair)
  local least = members <= said.windows[place][1] and 1 or 0
  return math.max(pair[1], pair[2], least)
end

for place = math.max(0, surplus) + 1, #silent do
  local pairs_of = aside_of(silent[place])
  for at, pair in ipairs(pairs_of) do pair[1] = used_alone(at, pair) end
  put_aside(silent[place], pairs_of)
end

-- What was sent -----------------------------------------------------------------------------------

for _, id in ipairs(said.unused) do
  for place = 1, #said.windows do redis.call('ZREM', window(place), id) end
end
for _, flight in ipairs(said.flights) do
  for _, place in ipairs(flight[2]) do
    redis.call('ZADD', window(place), now + said.windows[place][3], flight[1])
  end
end
for _, ended in ipairs(said.ended) do
  for _, place in ipairs(ended[3]) do
    redis.call('ZADD', window(place), now - ended[2] + said.windows[place][2], ended[1])
  end
end

-- What is forbidden: '' stands for everything ------------------------------------------------------

for route, wait in pairs(said.blocks) do
  local before = tonumber(redis.call('HGET', BLOCKS, route) or 0)
  redis.call('HSET', BLOCKS, route, math.max(before, now + wait))
end
local blocks, blocked = {}, 0
local kept = redis.call('HGETALL', BLOCKS)
for place = 1, #kept, 2 do
  local wait = tonumber(kept[place + 1]) - now
  if wait > 0 then
    blocks[#blocks + 1] = {kept[place], wait}
    if kept[place] == '' then blocked = wait end
  else
    redis.call('HDEL', BLOCKS, kept[place])
  end
end

-- What is free, and what is put aside --------------------------------------------------------------

local mine_aside = aside_of(me)
local aside_now, aside_later = {}, {}
for place, pair in ipairs(mine_aside) do
  aside_now[place] = tonumber(redis.call('HGET', SUMS, 'now ' .. place) or 0) - pair[1]
  aside_later[place] = tonumber(redis.call('HGET', SUMS, 'later ' .. place) or 0) - pair[2]
end

local free = {}
for place, limit in ipairs(said.windows) do
  redis.call('ZREMRANGEBYSCORE', window(place), '-inf', now)
  free[place] = limit[1] - redis.call('ZCARD', window(place)) - aside_now[place]
end

-- Who gets what is free ----------------------------------------------------------------------------

for _, waiter in ipairs(redis.call('ZRANGEBYSCORE', LEASES, '-inf', now)) do
  redis.call('ZREM', LEASES, waiter)
  redis.call('ZREM', QUEUE, waiter)
end

local function leave(waiter)
  redis.call('ZREM', QUEUE, waiter)
  redis.call('ZREM', LEASES, waiter)
end

-- The others that wait, and could go now as far as windows go.
local function contenders(but)
  local found = {}
  local queue = redis.call('ZRANGE', QUEUE, 0, -1, 'WITHSCORES')
  for at = 1, #queue, 2 do
    if queue[at] ~= but then
      local wanted, can_go = {}, true
      for place in string.gmatch(string.match(queue[at], '^[^@]*'), '%d+') do
        wanted[tonumber(place)] = true
        can_go = can_go and free[tonumber(place)] > 0
      end
      if can_go then found[#found + 1] = {tonumber(queue[at + 1]), wanted} end
    end
  end
  return found
end

-- The least time until a window has a place for someone with so many before them.
local function wait_for(place, ahead)
  local missing = ahead - free[place]
  if missing < 0 then return 0 end
  if missing < aside_now[place] then
    -- It is only put aside; those for whom it is are told, at their next turn, that it is wanted.
    redis.call('HSET', WANTED, place, now + said.wanted)
    return said.soon
  end
  missing = missing - aside_now[place]
  local next = redis.call('ZRANGE', window(place), missing, missing, 'WITHSCORES')
  local per = said.windows[place][2]
  -- What is in flight is taken to end now.
  return #next > 0 and math.min(next[2] - now, per) or per
end

-- By the number of turns a process knows whether this server has lost some. Where this is the first,
-- there may have been others, of which their processes tell before anything is granted.
local turns = redis.call('INCR', TURNS)
if turns == 1 then redis.call('HSET', WANTED, 'begins', now + said.settling) end
blocked = math.max(blocked, tonumber(redis.call('HGET', WANTED, 'begins') or 0) - now)

local grants = {}
for at, ask in ipairs(said.asks) do
  local lane, ids = ask[1], ask[2]
  local waiter = lane .. '@' .. me
  local places = {}
  for place in string.gmatch(lane, '%d+') do places[#places + 1] = tonumber(place) end
  if #ids == 0 then
    leave(waiter)
    grants[at] = {0, 0}
  else
    local mine = tonumber(redis.call('ZSCORE', QUEUE, waiter) or math.huge)
    local most, fair, wait = math.huge, math.huge, math.max(0, blocked)
    local ahead, behind = {}, {}
    for _, place in ipairs(places) do ahead[place], behind[place] = 0, 0 end
    for _, other in ipairs(contenders(waiter)) do
      for _, place in ipairs(places) do
        if other[2][place] and other[1] < mine then
          ahead[place] = ahead[place] + 1
        elseif other[2][place] then
          behind[place] = behind[place] + 1
        end
      end
    end
    for _, place in ipairs(places) do
      most = math.min(most, free[place] - ahead[place])
      fair = math.min(fair, free[place] - ahead[place] - behind[place])
    end
    local granted = 0
    if blocked <= 0 and most >= 1 then
      -- One for each of the others that wait, and what is left beyond that.
      granted = math.min(#ids, math.max(1, fair))
    end
    for number = 1, granted do
      for _, place in ipairs(places) do
        redis.call('ZADD', window(place), now + said.windows[place][3], ids[number])
      end
    end
    for _, place in ipairs(places) do
      free[place] = free[place] - granted
    end
    if granted == #ids then
      leave(waiter)
    else
      if granted > 0 or mine == math.huge then
        -- Whoever had a turn goes behind the others.
        redis.call('ZADD', QUEUE, redis.call('INCR', SERIAL), waiter)
      end
      redis.call('ZADD', LEASES, now + said.silence, waiter)
      for _, place in ipairs(places) do
        wait = math.max(wait, wait_for(place, granted > 0 and 0 or ahead[place]))
      end
    end
    grants[at] = {granted, wait}
  end
end

-- What is put aside for this one from here on -----------------------------------------------------

local told, stored = {}, {}
for place, limit in ipairs(said.windows) do
  local calls, have = limit[1], said.have[place]
  local later = math.max(0, math.min(math.floor(calls / members), calls - aside_later[place]))
  local first = 0
  if tonumber(redis.call('HGET', WANTED, place) or 0) < now then
    -- Half of what is free is left to whoever asks first.
    first = math.floor(free[place] / (members == 1 and 1 or 2 * members))
    first = math.max(0, math.min(first, later))
  end
  if said.apart then first, later = used_alone(place, have), have[2] end
  told[place] = {first, later}
  -- It may never hear of this: what it was told before holds until it says that it has.
  stored[place] = {math.max(first, have[1]), math.max(later, have[2])}
end
if not said.leaving then put_aside(me, stored) end

-- When all processes are gone, nothing of them stays.
local longest, forbidden = said.drop, 0
for place, limit in ipairs(said.windows) do
  redis.call('PEXPIRE', window(place), math.ceil(limit[3]))
  longest = math.max(longest, limit[3])
end
for _, block in ipairs(blocks) do forbidden = math.max(forbidden, block[2]) end
for _, key in ipairs({MEMBERS, ASIDE, SUMS, QUEUE, LEASES, WANTED, SERIAL, TURNS}) do
  redis.call('PEXPIRE', key, math.ceil(longest))
end
redis.call('PEXPIRE', BLOCKS, math.ceil(longest + forbidden))

return cmsgpack.pack({now, turns, members, told, blocks, grants, free})
