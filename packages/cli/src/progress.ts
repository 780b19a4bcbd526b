import type { Context } from './command.ts'
import { counted } from './output/counted.ts'
import { type Part, render, text } from './output/rendered.ts'

/** The parts of a context that the progress display uses. */
type Teller = Pick<Context, 'io' | 'err' | 'now'>

/**
 * Shows the progress of work on standard error: a bar on a terminal, and lines on any other output. There is at most one
 * line per tenth of the work. Without {@link Work.isLong}, lines are also at least 5 s apart.
 */
export interface Progress {
  /** Updates the display with the number of finished items and an optional note. */
  show(done: number, note?: string): void
  /** Ends the display. */
  end(): void
}

/** Describes the work whose progress is displayed. */
export interface Work {
  /** The text before the numbers of the display, such as "Storing". */
  readonly verb: string
  readonly total: number
  /**
   * `true` if the work may take minutes even with few items. The progress is then shown for any number of items, and lines
   * need not be 5 s apart.
   */
  readonly isLong?: boolean
}

/** Work with at most 8 items is usually short, and shows no progress. Work with `isLong` is an exception. */
const few = 8
/** Minimum time between two progress lines without `isLong`, in ms. */
const lineEveryMs = 5000
const barWidth = 20
const clearLine = '\r\u001b[K'
const silence: Progress = { show: () => undefined, end: () => undefined }

/** Returns the progress display for work on many items. With `--json` the display shows nothing. */
export function progressOf(teller: Teller, work: Work): Progress {
  const { io, err } = teller
  if (err.isJson || (work.total <= few && work.isLong !== true)) return silence
  return io.stderr.isTTY === true ? bar(teller, work) : lines(teller, work)
}

/**
 * Shows a progress text without numbers while one call processes many items, because the storage reports no progress before the
 * call ends.
 */
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
      // Redraws only if the percentage or the note changed, because a terminal is slower than most storages.
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
