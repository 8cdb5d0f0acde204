-- A process says how many servers its shards have, and hears of the last post; who asks hears of all
-- shards as well.
--
-- Shards belong to a layout, the number of all shards (0: a bot without any), so that a bot that is
-- split anew is not added to what it was. A layout is up since its processes began to report,
-- without a longer gap: all are given their time from then on. Times are milliseconds.
local COUNTS, LAYOUTS, POSTED = KEYS[1], KEYS[2], KEYS[3]
local said = cmsgpack.unpack(ARGV[1])
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)

local function number(value) return string.format('%.0f', value) end

local MONTH = 30 * 24 * 3600 * 1000
if said.posted then
  redis.call('SET', POSTED, number(now) .. ' ' .. said.me, 'PX', MONTH)
elseif said.known >= 0 and redis.call('EXISTS', POSTED) == 0 then
  -- This server has come back without what it knew.
  redis.call('SET', POSTED, number(now - said.known) .. ' ' .. said.known_by, 'PX', MONTH)
end

if said.layout >= 0 then
  local since, last = now, redis.call('HGET', LAYOUTS, said.layout)
  if last then
    local up, heard = string.match(last, '(%d+) (%d+)')
    if now - heard <= said.gap then since = up end
  end
  redis.call('HSET', LAYOUTS, said.layout, number(since) .. ' ' .. number(now))
  for _, one in ipairs(said.counts) do
    redis.call('HSET', COUNTS, said.layout .. ':' .. one[1], number(one[2]) .. ' ' .. number(now))
  end
end

-- When all processes are gone, nothing of them stays.
redis.call('PEXPIRE', LAYOUTS, 2 * said.drop)
redis.call('PEXPIRE', COUNTS, 2 * said.drop)

local posted, by = -1, ''
local last = redis.call('GET', POSTED)
if last then
  posted, by = string.match(last, '(%d+) (.*)')
  posted = now - posted
end
if not said.asks then return cmsgpack.pack({posted, by, {}, {}}) end

local layouts, ups = {}, {}
local kept = redis.call('HGETALL', LAYOUTS)
for at = 1, #kept, 2 do
  local up, heard = string.match(kept[at + 1], '(%d+) (%d+)')
  if now - heard > said.drop then
    redis.call('HDEL', LAYOUTS, kept[at])
  else
    ups[kept[at]] = tonumber(up)
    layouts[#layouts + 1] = {tonumber(kept[at]), now - up}
  end
end

local counts = {}
kept = redis.call('HGETALL', COUNTS)
for at = 1, #kept, 2 do
  local layout, shard = string.match(kept[at], '(%d+):(%d+)')
  local count, heard = string.match(kept[at + 1], '(%d+) (%d+)')
  local since = ups[layout]
  if since == nil or now - math.max(since, tonumber(heard)) > said.drop then
    redis.call('HDEL', COUNTS, kept[at])
  else
    counts[#counts + 1] = {tonumber(layout), tonumber(shard), tonumber(count)}
  end
end

return cmsgpack.pack({posted, by, layouts, counts})
