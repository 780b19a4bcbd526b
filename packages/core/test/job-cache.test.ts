import { describe, expect, it } from 'vitest'
import { JobCache } from '../src/engine/definitions/job-cache.ts'
import type { RegisteredJob } from '../src/engine/definitions/registered-job.ts'

/** Makes a job that is data, with its next slot on the agenda. */
function dataJob(name: string, state: Partial<RegisteredJob> = {}): RegisteredJob {
  const job = { name, onStart: undefined, onComplete: undefined, tasks: [{ handler: 'work' }] }
  return { job, origin: 'stored', heapIndex: 0, at: 1000, inFlight: 'no', plan: undefined, ...state } as RegisteredJob
}

function looseOf(most: number, jobs: readonly RegisteredJob[]): { cache: JobCache; overflows: () => number } {
  const cache = new JobCache(most)
  let count = 0
  cache.overflowed.listen(() => count++)
  for (const job of jobs) cache.use(job)
  return { cache, overflows: () => count }
}

/** Evicts the unneeded jobs that have no slot up to the instant `upTo`, and returns the names of these jobs. */
function dropped(cache: JobCache, upTo: number): string[] {
  return Array.from(cache.unneeded(upTo), (job) => {
    cache.remove(job)
    return job.job.name
  })
}

describe('loose jobs in the JobCache', () => {
  it('all stay until their number exceeds the limit, and the cache reports the overflow once', () => {
    const jobs = ['a', 'b', 'c'].map((name) => dataJob(name))
    const { cache, overflows } = looseOf(2, jobs.slice(0, 2))
    expect(cache.isEvicting).toBe(false)
    expect(dropped(cache, 0)).toEqual([])
    cache.use(jobs[2] as RegisteredJob)
    cache.use(dataJob('d'))
    expect(cache.isEvicting).toBe(true)
    expect(overflows()).toBe(1)
  })

  it('are evicted down to the limit, the longest unused job first', () => {
    const jobs = ['a', 'b', 'c', 'd', 'e'].map((name) => dataJob(name))
    const { cache } = looseOf(2, jobs)
    cache.use(jobs[0] as RegisteredJob)
    expect(dropped(cache, 0)).toEqual(['b', 'c', 'd'])
  })

  it('stay if this node creates one of their slots, or if their next slot is due by the instant that is passed to `unneeded`', () => {
    const over = Number.POSITIVE_INFINITY
    const { cache } = looseOf(0, [
      dataJob('near', { at: 10 }),
      dataJob('far', { at: 11 }),
      dataJob('taken off the agenda', { heapIndex: -1 }),
      dataJob('being created, and on the agenda', { at: 11, inFlight: 'yes' }),
      dataJob('over', { heapIndex: -1, at: over }),
      dataJob('lacks its handler', { heapIndex: -1, plan: null }),
    ])
    expect(dropped(cache, 10)).toEqual(['far', 'over', 'lacks its handler'])
  })

  it('do not include jobs with code or hooks, or jobs in the option `jobs`', () => {
    const coded = (changes: object) => dataJob('', { job: { ...dataJob('').job, ...changes } as RegisteredJob['job'] })
    const { cache } = looseOf(0, [
      coded({ tasks: [{ handler: 'work' }, { handler: undefined }] }),
      coded({ onStart: () => undefined }),
      coded({ onComplete: () => undefined }),
      dataJob('', { origin: 'jobs' }),
    ])
    expect(cache.isEvicting).toBe(false)
  })
})
