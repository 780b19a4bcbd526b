import { execFileSync } from 'node:child_process'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void

/** Returns heap and buffers that are in use after garbage collection, in kilobytes. */
export function usedKb(): number {
  collectGarbage()
  const { heapUsed, external } = process.memoryUsage()
  return (heapUsed + external) / 1024
}

/** Returns the largest gap between turns of the event loop during `work`, in milliseconds. */
export async function largestGap(work: () => Promise<void>): Promise<number> {
  const delay = monitorEventLoopDelay({ resolution: 1 })
  await sleep(50)
  delay.enable()
  await work()
  // The monitor records a gap only when a timer fires after the gap. This call sets a timer, so that the last gap is
  // recorded.
  await sleep(5)
  delay.disable()
  return delay.max / 1e6
}

const programs = fileURLToPath(new URL('./isolated/', import.meta.resolve('@jobistemer/core')))

/** Returns the number of processes of isolated tasks on this machine, including processes whose parent is dead. */
export function livingChildren(): number {
  const list = execFileSync('ps', ['-e', '-o', 'stat=,args='], { encoding: 'utf8' })
  return list.split('\n').filter((line) => line.includes(programs) && !line.startsWith('Z')).length
}
