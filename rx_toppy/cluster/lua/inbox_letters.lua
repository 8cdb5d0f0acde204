-- A page of the dead letters, the first one first.
--
-- KEYS[1]: the inbox. ARGV[1]: the number behind which it goes on. ARGV[2]: how many.
-- Gives {{number, record, tries, error}...}.

local inbox = KEYS[1]
local letters = {}
local found = redis.call(
  'ZRANGEBYSCORE', inbox .. ':dead', '(' .. ARGV[1], '+inf', 'LIMIT', 0, ARGV[2])
for place, number in ipairs(found) do
  letters[place] = {
    number,
    redis.call('HGET', inbox .. ':votes', number),
    redis.call('HGET', inbox .. ':tries', number),
    redis.call('HGET', inbox .. ':errors', number),
  }
end
return letters
