import { execFileSync } from 'node:child_process'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void

/** Heap and buffers that are in use after garbage collection, in kilobytes. */
export function usedKb(): number {
  collectGarbage()
  const { heapUsed, external } = process.memoryUsage()
  return (heapUsed + external) / 1024
}

/** The largest gap between turns of the event loop during `work`, in milliseconds. */
export async function largestGap(work: () => Promise<void>): Promise<number> {
  const delay = monitorEventLoopDelay({ resolution: 1 })
  await sleep(50)
  delay.enable()
  await work()
  // Includes the last period, which ends when a timer has fired.
  await sleep(5)
  delay.disable()
  return delay.max / 1e6
}

const programs = fileURLToPath(new URL('./isolated/', import.meta.resolve('@jobistemer/core')))

/** Number of processes of isolated tasks in the list of all processes, including those of dead parents. */
export function livingChildren(): number {
  const list = execFileSync('ps', ['-e', '-o', 'stat=,args='], { encoding: 'utf8' })
  return list.split('\n').filter((line) => line.includes(programs) && !line.startsWith('Z')).length
}
