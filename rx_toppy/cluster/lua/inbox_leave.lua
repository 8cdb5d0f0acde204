-- A consumer leaves: others may have what it holds.
--
-- KEYS[1]: the inbox. ARGV[1]: the consumer.

local turns, consumer = KEYS[1] .. ':turns', ARGV[1]
repeat
  local held = redis.pcall('XPENDING', turns, 'handlers', '-', '+', 500, consumer)
  if held.err then -- there is no group any more: nothing is held
    return 0
  end
  for _, one in ipairs(held) do
    local entry = redis.call('XRANGE', turns, one[1], one[1])[1]
    redis.call('XACK', turns, 'handlers', one[1])
    if entry then
      redis.call('XDEL', turns, one[1])
      redis.call('XADD', turns, '*', 'voter', entry[2][2])
    end
  end
until #held == 0
return redis.call('XGROUP', 'DELCONSUMER', turns, 'handlers', consumer)
