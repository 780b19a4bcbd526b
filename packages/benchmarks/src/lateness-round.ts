import { createScheduler, defineJob } from '@jobistemer/core'
import type { Storage } from '@jobistemer/core/storage'
import { cron } from '@jobistemer/ticker-cron'

/** Measures how late one node starts `count` jobs that are due every second, in milliseconds. Closes the storage. */
export async function measureLateness(
  storage: Storage,
  options: { readonly count: number; readonly seconds: number; readonly concurrency: number },
): Promise<readonly number[]> {
  const { count, seconds, concurrency } = options
  const lateness: number[] = []
  let measuring = false
  const schedule = cron('* * * * * *')
  const jobs = Array.from({ length: count }, (_, index) =>
    defineJob({
      name: `job-${index}`,
      schedule,
      tasks: [
        {
          name: 'work',
          run: async ({ scheduledAt }) => {
            if (measuring) lateness.push(Date.now() - scheduledAt.getTime())
          },
        },
      ],
    }),
  )
  const scheduler = createScheduler({ storage, jobs, maxConcurrentJobs: concurrency })
  await scheduler.start()
  await settled()
  measuring = true
  await new Promise((resolve) => setTimeout(resolve, seconds * 1000))
  measuring = false
  await scheduler.shutdown()
  await storage.close()
  return lateness
}

/** Gives the schedulers 3.5 to 4.5 s to start. Resolves 0.5 s before the next jobs are due. */
export async function settled(): Promise<void> {
  const now = Date.now()
  await new Promise((resolve) => setTimeout(resolve, Math.ceil((now + 3000) / 1000) * 1000 + 500 - now))
}

export function latenessRow(name: string, lateness: readonly number[]): string[] {
  const sorted = [...lateness].sort((left, right) => left - right)
  const quantile = (share: number) =>
    `${sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0} ms`
  return [name, sorted.length.toLocaleString('en-US'), quantile(0.5), quantile(0.99), quantile(1)]
}
