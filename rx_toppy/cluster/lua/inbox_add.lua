-- Keeps votes, unless others are there that the caller does not know of.
--
-- Which votes are the same is not decided here: the caller names the kept ones that it has compared
-- each vote with, and what is said here is only whether these are all there are near it.
--
-- KEYS[1]: the inbox.
-- ARGV[1]: how near in time the place of a kept vote is that may be the same, in microseconds.
-- ARGV[2]: the cursor behind these votes, "" for none.
-- ARGV[3]: how many votes follow that have been told of, each as: record, how many kept ones it was
--          compared with, their numbers.
-- Then: how many are new, each as its record, or the place of the vote told of that it is.
-- Then: kept votes of which more is known, each as: number, record as it was read, record.
-- Gives {refused, stale}; refused: {{place of the vote, number, record, number, record...}...},
--          stale: {{number, record}...}. Where there is any of these, nothing was written.

local inbox = KEYS[1]
local margin = tonumber(ARGV[1])
local last = 3

local function following()
  last = last + 1
  return ARGV[last]
end

local records = inbox .. ':votes'
local AT, ID, USER, PLATFORM, IS_TEST = 1, 2, 3, 4, 5

-- Where a vote is found by who voted.
local function shelves(vote)
  local keys = {}
  if vote[PLATFORM] ~= '' then
    keys[1] = inbox .. ':p:' .. vote[PLATFORM]
  end
  if vote[USER] ~= '' then
    keys[#keys + 1] = inbox .. ':u:' .. vote[USER]
  end
  return keys
end

local function near(vote)
  local numbers = {}
  if vote[IS_TEST] then
    return numbers
  end
  if vote[ID] ~= '' then
    numbers[1] = redis.call('HGET', inbox .. ':ids', vote[ID]) or nil
  end
  for _, key in ipairs(shelves(vote)) do
    local first, last = vote[AT] - margin, vote[AT] + margin
    for _, number in ipairs(redis.call('ZRANGEBYSCORE', key, first, last)) do
      numbers[#numbers + 1] = number
    end
  end
  return numbers
end

local function index(number, at, vote)
  if vote[IS_TEST] then
    return
  end
  if vote[ID] ~= '' then
    redis.call('HSETNX', inbox .. ':ids', vote[ID], number)
  end
  for _, key in ipairs(shelves(vote)) do
    redis.call('ZADD', key, at, number)
  end
end

-- Unless all of it can be done, nothing is: the caller decides anew, and the votes are kept in the
-- order in which they came.

local told, refused, stale = {}, {}, {}
for place = 1, tonumber(ARGV[3]) do
  told[place] = following()
  local is_known = {}
  for _ = 1, tonumber(following()) do
    is_known[following()] = true
  end
  local found, is_refused = near(cmsgpack.unpack(told[place])), false
  for _, number in ipairs(found) do
    is_refused = is_refused or not is_known[number]
  end
  if is_refused then
    local one = {place}
    for _, number in ipairs(found) do
      one[#one + 1] = number
      one[#one + 1] = redis.call('HGET', records, number)
    end
    refused[#refused + 1] = one
  end
end
local new, completed = {}, {}
for place = 1, tonumber(following()) do
  local record = following()
  new[place] = told[tonumber(record)] or record
end
while last < #ARGV do
  local one = {following(), following(), following()}
  completed[#completed + 1] = one
  local now = redis.call('HGET', records, one[1])
  if now ~= one[2] then
    stale[#stale + 1] = {one[1], now}
  end
end
if #refused + #stale > 0 then
  return {refused, stale}
end

for _, one in ipairs(completed) do
  redis.call('HSET', records, one[1], one[3])
  index(one[1], redis.call('ZSCORE', inbox .. ':time', one[1]), cmsgpack.unpack(one[3]))
end
for _, record in ipairs(new) do
  local vote = cmsgpack.unpack(record)
  -- Of one length, so that those of one moment are in the order in which they came.
  local number = string.format('%012.0f', redis.call('INCR', inbox .. ':last'))
  redis.call('HSET', records, number, record)
  redis.call('ZADD', inbox .. ':time', vote[AT], number)
  index(number, vote[AT], vote)
  -- It waits in its voter's queue. A voter whose queue is not empty has a turn already.
  local voter = vote[PLATFORM] ~= '' and vote[PLATFORM] or vote[USER]
  local queue = inbox .. ':q:' .. voter
  redis.call('HSET', inbox .. ':undone', number, voter)
  if redis.call('EXISTS', queue) == 0 then
    redis.call('XADD', inbox .. ':turns', '*', 'voter', voter)
  end
  redis.call('ZADD', queue, vote[AT], number)
end
if ARGV[2] ~= '' then
  redis.call('SET', inbox .. ':cursor', ARGV[2])
end
return {refused, stale}
