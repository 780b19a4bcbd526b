import { createReadStream } from 'node:fs'
import { resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { JobistemerError, type TriggerItem, type TriggerManyResult } from '@jobistemer/core'
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
    'Triggers the requests of a file, one JSON object a line: {"job","key","data","at","priority","overrides"}. Each request needs a key, so that a repeat of the command creates no run twice.',
  arguments: '<file>',
  examples: [['trigger-many waiting.ndjson', 'the requests that import has written; repeat it after a crash']],
  exitsWithNo: 'a request was not accepted',
  async run(context: Context, [file = '']) {
    const client = await context.client()
    const actor = actorOf(context)
    const failed: Failure[] = []
    let [created, existed, skipped] = [0, 0, 0]
    for await (const requests of chunksOf(resolve(context.io.cwd, file))) {
      const { accepted, results } = await triggered(requests, failed, (lines) =>
        client.triggerMany(
          lines.map(({ item }) => ({ actor, ...item })),
          context.call,
        ),
      )
      for (const [index, result] of results.entries()) {
        if (result.error !== null) failed.push(failureOf(accepted[index] as Line, result.error))
        else if (result.state === 'skipped') skipped += 1
        else if (result.created) created += 1
        else existed += 1
      }
    }
    const { out } = context
    if (out.isJson) out.json({ created, existed, skipped, failed })
    else {
      for (const { line, job, key, code, message } of failed)
        out.line(text`line ${line}, ${job} ${key ?? ''}: ${message} (${code})`)
      out.line(text`${created} created, ${existed} existed, ${skipped} skipped, ${failed.length} failed.`)
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
  return { line, job: String(item.job), key: item.key ?? null, code, message: `${message} ${remedy ?? ''}`.trim() }
}

interface Line {
  readonly line: number
  readonly item: TriggerItem
}

async function* chunksOf(file: string): AsyncGenerator<readonly Line[]> {
  let chunk: Line[] = []
  let line = 0
  try {
    for await (const json of createInterface({ input: createReadStream(file), crlfDelay: Number.POSITIVE_INFINITY })) {
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
      'Give the file that import --requests has written.',
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
