import type { ReapItem, Storage, TaskRunRecord } from '@jobistemer/core/storage'
import { wrapStorage } from '@jobistemer/core/testing'

/** Sabotage: every reap makes its occurrence pending, even a reap that must fail the occurrence. */
export function retryFailed(storage: Storage): Storage {
  return wrapStorage(storage, {
    reap: (request) => storage.reap({ ...request, items: request.items.map(retried) }),
  })
}

function retried(item: ReapItem): ReapItem {
  const runs = item.runs.map((run): TaskRunRecord => {
    const { reason, ...others } = run
    return run.state === 'failed' && reason === item.reason ? { ...others, state: 'retrying' } : run
  })
  return { ...item, action: 'retry', runs }
}
