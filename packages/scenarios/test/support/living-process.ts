import { execFileSync } from 'node:child_process'
import { setTimeout as delay } from 'node:timers/promises'

/** How a process stands in the list of all processes; `null`: it is not there, or has ended and nobody has looked. */
export function stateOf(pid: number): string | null {
  try {
    const state = execFileSync('ps', ['-o', 'stat=', '-p', String(pid)], { encoding: 'utf8' }).trim()
    return state === '' || state.startsWith('Z') ? null : state
  } catch {
    // `ps` fails when it finds none.
    return null
  }
}

/** Who has started a process that lives. */
export function parentOf(pid: number): number {
  return Number(execFileSync('ps', ['-o', 'ppid=', '-p', String(pid)], { encoding: 'utf8' }))
}

/** How many processes this one has started that start others for isolated tasks. */
export function startersOf(pid: number): number {
  const list = execFileSync('ps', ['-o', 'stat=,args=', '--ppid', String(pid)], { encoding: 'utf8' })
  return list.split('\n').filter((line) => line.includes('isolated/starter.js') && !line.startsWith('Z')).length
}

/** Resolves when the process is not in the list any more. The limit of the test ends what hangs. */
export async function gone(pid: number): Promise<void> {
  while (stateOf(pid) !== null) await delay(10)
}
