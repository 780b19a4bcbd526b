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
 * Reads the due jobs of one shard, ordered by next instant and then by id. Answers the position up to which it has
 * read; an empty text at the end. Before it reads, it applies the noted moves to the index. It answers `again` if too
 * many moves are left for one call.
 *
 * Reading begins after the instant `ARGV[2]`, or within that instant after the job `ARGV[3]`. `ARGV[5]`, if given, has
 * a 1 for each wanted first byte of a job id. Instants are passed as texts, because a range that excludes its bound
 * needs text.
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

-- Returns the rank of the first job to read.
local function firstRank()
  if lastJob == '' then return call('ZCOUNT', nextKey, '-inf', after) end
  local low = call('ZCOUNT', nextKey, '-inf', '(' .. after)
  local high = call('ZCOUNT', nextKey, '-inf', after)
  -- Many jobs may have the same instant, so a binary search finds the position after the last job of the previous page.
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
