import type { Context } from './command.ts'
import { counted } from './output/counted.ts'
import { type Part, render, text } from './output/rendered.ts'

/** What is told of, and how. */
type Teller = Pick<Context, 'io' | 'err' | 'now'>

/** How far long work is: told beside the answer, with a bar on a terminal, by a line now and then elsewhere. */
export interface Progress {
  /** So many are done. */
  show(done: number): void
  /** Nothing more is told. */
  end(): void
}

/** So many are done before anybody wonders. */
const few = 8
const lineEveryMs = 5000
const barWidth = 20
const clearLine = '\r\u001b[K'
const silence: Progress = { show: () => undefined, end: () => undefined }

/** Of work on many things, one after another. With --json nothing is told. */
export function progressOf(
  teller: Teller,
  { verb, total }: { readonly verb: string; readonly total: number },
): Progress {
  const { io, err } = teller
  if (err.isJson || total <= few) return silence
  return io.stderr.isTTY === true ? bar(teller, verb, total) : lines(teller, verb, total)
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

function bar({ io: { stderr } }: Teller, verb: string, total: number): Progress {
  let shown = -1
  return {
    show(done) {
      // A terminal is slower than most storages.
      const percent = Math.floor((done * 100) / total)
      if (percent === shown) return
      shown = percent
      const full = Math.floor((done * barWidth) / total)
      const drawn = `${'#'.repeat(full)}${'-'.repeat(barWidth - full)}`
      stderr.write(`\r[${drawn}] ${render(stateOf(verb, done, total))}`)
    },
    end: () => stderr.write(clearLine),
  }
}

function lines({ err, now }: Teller, verb: string, total: number): Progress {
  let toldAt = now()
  return {
    show(done) {
      if (now() - toldAt < lineEveryMs) return
      toldAt = now()
      err.line(stateOf(verb, done, total))
    },
    end: () => undefined,
  }
}

function stateOf(verb: string, done: number, total: number): Part {
  return text`${verb} ${done} of ${total}`
}
