import { type Script, script } from '../script.ts'
import { checkRights } from './check-rights.ts'
import { writeFields } from '../layout.ts'
import { layouts } from '../request-layouts.ts'
import { jobKeys } from './job-keys.ts'
import { prelude } from './prelude.ts'

/** Maximum number of index entries that a call reads. */
const scanLimit = 4000

const place = writeFields(layouts.duePlace, { nextAt: 'nextAt', job: 'job' })

/**
 * Reads jobs of one shard by their next instants, equal ones by id. Answers how far it has looked, or an empty text when
 * that is the end. Before that it moves jobs that lie where they were, and answers `again` when those are too many for
 * one call.
 *
 * It begins after the instant `ARGV[2]`, or among those of this instant behind the job `ARGV[3]`. With `ARGV[5]`, it
 * takes only jobs whose first byte has a 1 in there. Instants are given as texts: as numbers they could not be the bounds
 * of a range that leaves them out.
 */
export const listDueJobsScript: Script = script(`#!lua flags=allow-oom
${prelude}${checkRights}${jobKeys}
local limit, after, lastJob, upTo, wanted = tonumber(ARGV[1]), ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local found, position = {}, ''

if call('ZCARD', movedKey) > 0 then
  local missing = missingRight(nil)
  if missing then return missing end
  if catchUp() then return 'again' end
end

-- How many places lie before the first to look at.
local function firstRank()
  if lastJob == '' then return call('ZCOUNT', nextKey, '-inf', after) end
  local low = call('ZCOUNT', nextKey, '-inf', '(' .. after)
  local high = call('ZCOUNT', nextKey, '-inf', after)
  -- Many jobs may have one instant: they are not walked through again for each page.
  while low < high do
    local middle = math.floor((low + high) / 2)
    if isBefore(lastJob, call('ZRANGE', nextKey, middle, middle)[1]) then high = middle else low = middle + 1 end
  end
  return low
end

local rank = firstRank()
local dueCount = call('ZCOUNT', nextKey, '-inf', upTo)
local stop = math.min(dueCount, rank + ${scanLimit})
while rank < stop do
  local last = math.min(stop, rank + limit + 1) - 1
  local page = call('ZRANGE', nextKey, rank, last, 'WITHSCORES')
  for index = 1, #page, 2 do
    local job, nextAt = page[index], tonumber(page[index + 1])
    if wanted == '' or string.byte(wanted, string.byte(job) + 1) == 1 then
      if #found == limit then return { position, found } end
      found[#found + 1] = printJob(job, headOf(job))
    end
    position = ${place}
  end
  rank = last + 1
end
return { stop == dueCount and '' or position, found }
`)
