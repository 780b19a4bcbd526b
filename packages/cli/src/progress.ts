import type { Context } from './command.ts'
import { counted } from './output/counted.ts'
import { type Part, render, text } from './output/rendered.ts'

/** Where progress is written. */
type Teller = Pick<Context, 'io' | 'err' | 'now'>

/** Shows the progress of long work on stderr: a bar on a terminal, otherwise a line every few seconds. */
export interface Progress {
  /** Shows the number of finished items and a note. */
  show(done: number, note?: string): void
  /** Ends the display. */
  end(): void
}

/** A description of the work. */
export interface Work {
  /** The text before the numbers. */
  readonly verb: string
  readonly total: number
  /** The work takes minutes even if it has few items. */
  readonly isLong?: boolean
}

/** Up to this number of items, the work is too short to show its progress. */
const few = 8
/** Minimum time between two lines. A line also requires a further tenth of the work. */
const lineEveryMs = 5000
const barWidth = 20
const clearLine = '\r\u001b[K'
const silence: Progress = { show: () => undefined, end: () => undefined }

/** Returns the display for work on many items. With --json it shows nothing. */
export function progressOf(teller: Teller, work: Work): Progress {
  const { io, err } = teller
  if (err.isJson || (work.total <= few && work.isLong !== true)) return silence
  return io.stderr.isTTY === true ? bar(teller, work) : lines(teller, work)
}

/** Shows that a call for many items is in progress. The storage reports nothing before the call ends. */
export async function whileCalling<T>(
  { io: { stderr }, err }: Teller,
  { verb, count, noun }: { readonly verb: string; readonly count: number; readonly noun: string },
  call: () => Promise<T>,
): Promise<T> {
  if (err.isJson || count <= few) return call()
  const what = text`${verb} ${counted(count, noun)} …`
  if (stderr.isTTY !== true) {
    err.line(what)
    return call()
  }
  stderr.write(render(what))
  try {
    return await call()
  } finally {
    stderr.write(clearLine)
  }
}

function bar({ io: { stderr } }: Teller, work: Work): Progress {
  let shown = ''
  return {
    show(done, note = '') {
      // Redraws only a changed state, because a terminal is slower than most storages.
      const state = `${Math.floor((done * 100) / work.total)} ${note}`
      if (state === shown) return
      shown = state
      const full = Math.floor((done * barWidth) / work.total)
      const drawn = `${'#'.repeat(full)}${'-'.repeat(barWidth - full)}`
      stderr.write(`${clearLine}[${drawn}] ${render(stateOf(work, done, note))}`)
    },
    end: () => stderr.write(clearLine),
  }
}

function lines({ err, now }: Teller, work: Work): Progress {
  let toldAt = now()
  let told = -1
  return {
    show(done, note = '') {
      const tenth = Math.floor((done * 10) / work.total)
      if (tenth === told || (work.isLong !== true && now() - toldAt < lineEveryMs)) return
      toldAt = now()
      told = tenth
      err.line(stateOf(work, done, note))
    },
    end: () => undefined,
  }
}

function stateOf({ verb, total }: Work, done: number, note: string): Part {
  return text`${verb} ${done} of ${total}${note}`
}
