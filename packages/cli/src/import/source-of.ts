import { existsSync, readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { CliError } from '../cli-error.ts'
import type { Io } from '../io.ts'
import { importModule } from '../storage/import-module.ts'
import { bullmq } from './bullmq.ts'
import { crontab } from './crontab.ts'
import type { ImportSource } from './import-source.ts'
import { pgBoss } from './pg-boss.ts'

/** The command-line options that select an import source. */
export interface SourceOptions {
  readonly from?: string
  readonly queue?: readonly string[]
  readonly sourcePrefix?: string
  readonly system?: true
}

/** The names of the built-in import sources. */
const sourceNames = ['crontab', 'bullmq', 'pg-boss']

/**
 * Opens an import source by its name, or by the path of a module that exports one.
 * @throws CliError
 */
export async function sourceOf(
  io: Io,
  name: string,
  file: string | undefined,
  options: SourceOptions,
): Promise<ImportSource> {
  const { cwd } = io
  const { from = io.env.JOBISTEMER_IMPORT_FROM, queue: queues, sourcePrefix, system } = options
  if (name === 'crontab') return crontab({ text: await textOf(io, file), file: file ?? '-', isSystem: system === true })
  if (file !== undefined) throw usage('FILE', `${name} takes no file: ${JSON.stringify(file)}.`, 'Leave the file out.')
  if (name === 'bullmq') {
    const url = addressOf(from, /^rediss?:\/\//, 'redis://localhost:6379')
    return bullmq({ url, cwd, prefix: sourcePrefix ?? 'bull', ...(queues !== undefined && { queues }) })
  }
  if (name === 'pg-boss') {
    const url = addressOf(from, /^postgres(ql)?:\/\//, 'postgres://localhost/app')
    return pgBoss({ url, cwd, schema: sourcePrefix ?? 'pgboss', ...(queues !== undefined && { queues }) })
  }
  const path = resolve(cwd, name)
  if (!existsSync(path)) {
    throw usage(
      'SOURCE',
      `There is no source and no file ${JSON.stringify(name)}.`,
      `Give ${sourceNames.join(', ')}, or a module whose default export is a source, such as fromNodeCron([…]).`,
    )
  }
  const source = (await importModule(path, 'SOURCE')).default as Partial<ImportSource> | undefined
  if (typeof source?.read === 'function' && typeof source.name === 'string') return source as ImportSource
  throw usage(
    'SOURCE',
    `The default export of ${name} is no source: it has no name and no read().`,
    'Export what fromNodeCron() or fromCroner() makes, or an ImportSource of your own.',
  )
}

async function textOf({ stdin, cwd }: Io, file: string | undefined): Promise<string> {
  if (file === undefined)
    throw usage('FILE', 'crontab needs a file.', 'Give /etc/crontab --system, or - for the output of crontab -l.')
  if (file === '-') {
    const chunks: Buffer[] = []
    for await (const chunk of stdin) chunks.push(Buffer.from(chunk as string))
    return Buffer.concat(chunks).toString('utf8')
  }
  try {
    return readFileSync(resolve(cwd, file), 'utf8')
  } catch (cause) {
    throw usage(
      'FILE',
      `The crontab cannot be read: ${(cause as Error).message}.`,
      'Give the path of a file, or - for the output of crontab -l.',
      cause,
    )
  }
}

function addressOf(from: string | undefined, form: RegExp, example: string): string {
  if (from !== undefined && form.test(from)) return from
  const message =
    from === undefined ? 'The address of the source is missing.' : 'The address of the source has another form.'
  throw usage('--from', message, `Give --from ${example}, or set JOBISTEMER_IMPORT_FROM.`)
}

function usage(field: string, message: string, remedy: string, cause?: unknown): CliError {
  return new CliError({ code: 'INVALID_SOURCE', message, field, remedy, cause })
}
