import { createReadStream } from 'node:fs'
import { resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { Readable } from 'node:stream'
import { JobistemerError, type TriggerItem, type TriggerManyResult } from '@jobistemer/core'
import { afterThisTurn } from '@jobistemer/core/storage'
import { CliError } from '../cli-error.ts'
import type { Command, Context } from '../command.ts'
import { exitCodes } from '../exit-codes.ts'
import { actorOf } from '../intervention-options.ts'
import { text } from '../output/rendered.ts'
import { reportOf } from '../report-error.ts'

/** Number of requests that the command reads from the file and sends in one call. */
const chunkSize = 1000

/** A request that the client did not accept, with the number of its line and its error. */
interface Failure {
  readonly line: number
  readonly job: string
  readonly key: string | null
  readonly code: string
  readonly message: string
}

/** `jobistemer trigger-many`. */
export const triggerMany: Command = {
  description:
    'Triggers the requests of a file, or of standard input for -, one JSON object a line: {"job","key","data","at","priority","overrides"}. Each request needs a key, so that a repeat of the command creates no run twice.',
  arguments: '<file>',
  examples: [['trigger-many waiting.ndjson', 'the requests that import has written; repeat it after a crash']],
  exitsWithNo: 'a request was not accepted',
  async run(context: Context, [file = '']) {
    const client = await context.client()
    const actor = actorOf(context)
    const failed: Failure[] = []
    let [created, existed, skipped] = [0, 0, 0]
    const { signal } = context
    for await (const requests of chunksOf(context, file)) {
      // Node.js calls the listener of Ctrl-C between two turns of the event loop, and SQLite answers within one turn.
      await new Promise<void>((resolve) => afterThisTurn(resolve))
      if (signal.aborted) break
      // The call has no signal: Ctrl-C would end the wait for the results, and the command could not count the created runs.
      const { accepted, results } = await triggered(requests, failed, (lines) =>
        client.triggerMany(lines.map(({ item }) => ({ actor, ...item }))),
      )
      for (const [index, result] of results.entries()) {
        if (result.error !== null) failed.push(failureOf(accepted[index] as Line, result.error))
        else if (result.state === 'skipped') skipped += 1
        else if (result.created) created += 1
        else existed += 1
      }
    }
    const counts = `${created} created, ${existed} existed, ${skipped} skipped, ${failed.length} failed.`
    const { out } = context
    if (out.isJson) out.json({ created, existed, skipped, failed })
    else {
      for (const { line, job, key, code, message } of failed)
        out.line(text`line ${line}, ${job} ${key ?? ''}: ${message} (${code})`)
      out.line(counts)
    }
    if (signal.aborted) {
      throw new CliError({
        code: 'INTERRUPTED',
        message: `Stopped by Ctrl-C: ${counts}`,
        remedy: 'Repeat the command with the same requests: it creates only the missing runs.',
        exitCode: exitCodes.interrupted,
      })
    }
    return failed.length + skipped === 0 ? exitCodes.fine : exitCodes.no
  },
}

/**
 * Sends requests. If one request is invalid, the client rejects the whole list. So this function adds the invalid request to
 * `failed`, and sends the other requests again.
 */
async function triggered(
  requests: readonly Line[],
  failed: Failure[],
  send: (lines: readonly Line[]) => Promise<readonly TriggerManyResult[]>,
): Promise<{ readonly accepted: readonly Line[]; readonly results: readonly TriggerManyResult[] }> {
  for (let accepted = requests; ; ) {
    try {
      return { accepted, results: accepted.length === 0 ? [] : await send(accepted) }
    } catch (error) {
      const index = JobistemerError.isInstance(error) ? /^items\[(\d+)\]/.exec(error.field ?? '')?.[1] : undefined
      if (index === undefined) throw error
      failed.push(failureOf(accepted[Number(index)] as Line, error as JobistemerError))
      accepted = accepted.filter((_, other) => other !== Number(index))
    }
  }
}

function failureOf({ line, item }: Line, error: JobistemerError): Failure {
  const { code, message, remedy } = reportOf(error, false)
  // Core names the member of an invalid request by the request's index in the call, as `items[3].priority`.
  const problem = `${message} ${remedy ?? ''}`.trim().replaceAll(/(?<![.\w])items\[\d+\]\./g, '')
  return { line, job: String(item.job), key: item.key ?? null, code, message: problem }
}

interface Line {
  readonly line: number
  readonly item: TriggerItem
}

/** Reads the requests of a file, or of standard input for `-`, in chunks. After Ctrl-C, the sequence ends early. */
async function* chunksOf({ io, signal }: Context, file: string): AsyncGenerator<readonly Line[]> {
  let chunk: Line[] = []
  let line = 0
  try {
    const input = file === '-' ? Readable.from(io.stdin) : createReadStream(resolve(io.cwd, file))
    for await (const json of createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY, signal })) {
      line += 1
      if (json.trim() === '') continue
      chunk.push({ line, item: itemOf(json, line) })
      if (chunk.length < chunkSize) continue
      yield chunk
      chunk = []
    }
  } catch (cause) {
    if (cause instanceof CliError || (cause as NodeJS.ErrnoException).syscall === undefined) throw cause
    throw invalid(
      'FILE',
      `The requests cannot be read: ${(cause as Error).message}.`,
      'Give the file that import --requests has written, or - for standard input.',
      cause,
    )
  }
  if (chunk.length > 0) yield chunk
}

function itemOf(json: string, line: number): TriggerItem {
  let value: unknown
  try {
    value = JSON.parse(json)
  } catch (cause) {
    throw invalid(
      `line ${line}`,
      `Line ${line} is not JSON: ${(cause as Error).message}.`,
      'Write one JSON object a line.',
      cause,
    )
  }
  const { job, key } = (value ?? {}) as Partial<TriggerItem>
  if (typeof job === 'string' && typeof key === 'string') return value as TriggerItem
  throw invalid(
    `line ${line}`,
    `Line ${line} has no text for ${typeof job === 'string' ? 'key' : 'job'}.`,
    'Give job, its name, and key, which is unique among the requests of the job.',
  )
}

function invalid(field: string, message: string, remedy: string, cause?: unknown): CliError {
  return new CliError({ code: 'INVALID_DATA', field, message, remedy, cause })
}
