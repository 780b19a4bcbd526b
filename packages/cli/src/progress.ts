import type { Context } from './command.ts'
import { counted } from './output/counted.ts'
import { type Part, render, text } from './output/rendered.ts'

/** What is told of, and how. */
type Teller = Pick<Context, 'io' | 'err' | 'now'>

/** How far long work is: told beside the answer, with a bar on a terminal, by a line now and then elsewhere. */
export interface Progress {
  /** So many are done, and what else there is to say. */
  show(done: number, note?: string): void
  /** Nothing more is told. */
  end(): void
}

/** What the work is. */
export interface Work {
  /** What stands before the numbers. */
  readonly verb: string
  readonly total: number
  /** It takes minutes, also where it is about few things. */
  readonly isLong?: boolean
}

/** So many are done before anybody wonders. */
const few = 8
/** Between two lines, at least, and a tenth more is done. */
const lineEveryMs = 5000
const barWidth = 20
const clearLine = '\r\u001b[K'
const silence: Progress = { show: () => undefined, end: () => undefined }

/** Of work on many things. With --json nothing is told. */
export function progressOf(teller: Teller, work: Work): Progress {
  const { io, err } = teller
  if (err.isJson || (work.total <= few && work.isLong !== true)) return silence
  return io.stderr.isTTY === true ? bar(teller, work) : lines(teller, work)
}

/** The same of one call for many things, which tells nothing before it is over. */
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
      // A terminal is slower than most storages.
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
