import { fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { processProgram } from '../../isolated/programs.ts'
import { watchedDescriptor } from '../../isolated/watched-descriptor.ts'
import type { IsolatedResourceLimits, IsolatedWork } from '../../job/isolated-work.ts'
import { systemClock } from '../../system-clock.ts'
import { type Child, type ChildEnd, nobody } from './child.ts'
import { LastLines } from './last-lines.ts'

/** What a process wrote last comes through a pipe, which others that it has started may hold open. */
const outputGraceMs = 200

const hasGroups = process.platform !== 'win32'

export function startProcess({ resourceLimits, env }: IsolatedWork): Child {
  const lastLines = new LastLines()
  const stdio: ('ignore' | 'inherit' | 'pipe' | 'ipc')[] = ['ignore', 'inherit', 'pipe', 'ipc']
  stdio[watchedDescriptor] = 'pipe'
  const forked = fork(fileURLToPath(processProgram), [], {
    execArgv: [...ownOptions(process.execArgv), ...optionsOf(resourceLimits)],
    ...(env !== null && { env }),
    stdio,
    // It leads a group of its own, so that what it has started can be ended with it.
    detached: hasGroups,
  })
  const watched = forked.stdio[watchedDescriptor]
  let end: ChildEnd | null = null
  let hasEnded = false
  const sayEnd = (): void => {
    if (hasEnded || end === null) return
    hasEnded = true
    watched?.destroy()
    forked.stderr?.destroy()
    child.listener.ended(end)
  }
  const child: Child = {
    listener: nobody,
    name: `process ${forked.pid}`,
    // A channel that is closed is followed by the end of the process, which says more.
    post: (message) => void (forked.connected && forked.send(message, () => undefined)),
    kill: () => killGroup(forked.pid, () => forked.kill('SIGKILL')),
    lastLines: () => lastLines.get(),
    keepsAlive: (does) => {
      for (const handle of [forked, forked.channel, forked.stderr] as unknown as (NodeJS.RefCounted | null)[]) {
        if (does) handle?.ref()
        else handle?.unref()
      }
    },
  }
  ;(watched as unknown as NodeJS.RefCounted | undefined)?.unref()
  watched?.on('error', () => undefined) // It only has to close.
  forked.stderr?.on('data', (chunk: Buffer) => {
    lastLines.add(chunk)
    process.stderr.write(chunk)
  })
  forked.on('message', (message) => child.listener.heard(message))
  forked.on('error', (error) => {
    // Also said of a message that could not be sent.
    if (forked.pid !== undefined) return
    end = { exitCode: null, signal: null, error }
    sayEnd()
  })
  forked.on('exit', (exitCode, signal) => {
    end = { exitCode, signal }
    // What it has started must not outlive it when it has died of something.
    if (exitCode !== 0) killGroup(forked.pid, () => undefined)
    systemClock.setTimer(outputGraceMs, sayEnd)
  })
  forked.on('close', sayEnd)
  return child
}

function killGroup(pid: number | undefined, otherwise: () => void): void {
  if (pid === undefined) return
  if (!hasGroups) {
    otherwise()
    return
  }
  try {
    process.kill(-pid, 'SIGKILL')
  } catch {
    // Nobody is left in it; or it has not become a group yet.
    otherwise()
  }
}

function optionsOf({ maxOldGenerationSizeMb, maxYoungGenerationSizeMb }: IsolatedResourceLimits): string[] {
  const options: string[] = []
  if (maxOldGenerationSizeMb !== undefined) options.push(`--max-old-space-size=${Math.ceil(maxOldGenerationSizeMb)}`)
  // V8 counts three semi-spaces as the young generation.
  if (maxYoungGenerationSizeMb !== undefined) {
    options.push(`--max-semi-space-size=${Math.ceil(maxYoungGenerationSizeMb / 3)}`)
  }
  return options
}

const withArgument = ['-e', '--eval', '-p', '--print', '-pe']

/** How this process was started, without what is for its own program alone. */
export function ownOptions(given: readonly string[]): string[] {
  const kept: string[] = []
  for (let index = 0; index < given.length; index++) {
    const option = given[index] as string
    if (withArgument.includes(option)) index++
    else if (!/^--(inspect|input-type|watch|test|eval|print|cpu-prof|heap-prof|prof$)/.test(option)) kept.push(option)
  }
  return kept
}
