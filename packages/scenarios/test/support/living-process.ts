import { execFileSync } from 'node:child_process'
import { setTimeout as delay } from 'node:timers/promises'

/** The state of a process in the list of processes. `null`: the process has ended, or is a zombie. */
export function stateOf(pid: number): string | null {
  try {
    const state = execFileSync('ps', ['-o', 'stat=', '-p', String(pid)], { encoding: 'utf8' }).trim()
    return state === '' || state.startsWith('Z') ? null : state
  } catch {
    // `ps` fails if it finds no process.
    return null
  }
}

/** The parent of a living process. */
export function parentOf(pid: number): number {
  return Number(execFileSync('ps', ['-o', 'ppid=', '-p', String(pid)], { encoding: 'utf8' }))
}

/** The number of starter processes that a process has started. */
export function startersOf(pid: number): number {
  const list = execFileSync('ps', ['-o', 'stat=,args=', '--ppid', String(pid)], { encoding: 'utf8' })
  return list.split('\n').filter((line) => line.includes('isolated/starter.js') && !line.startsWith('Z')).length
}

/** Resolves when the process has ended. The timeout of the test bounds the wait. */
export async function gone(pid: number): Promise<void> {
  while (stateOf(pid) !== null) await delay(10)
}
