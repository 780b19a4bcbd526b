import { JobistemerError } from '@jobistemer/core'
import type { CaseDepth, DeclaredCapabilities, EffortOptions, SkippedCase } from '@jobistemer/storage-conformance'
import { CliError } from '../cli-error.ts'
import type { Command, Context } from '../command.ts'
import { readAdapterModule } from '../conformance/adapter-module.ts'
import { type Ground, groundAt } from '../conformance/ground.ts'
import { capabilitiesOf, guardedWorlds, type OpenWorld } from '../conformance/guarded-worlds.ts'
import { type CaseResult, type Kit, planCases, runCases } from '../conformance/run-cases.ts'
import { exitCodes } from '../exit-codes.ts'
import { counted } from '../output/counted.ts'
import { joined, text } from '../output/rendered.ts'
import { progressOf } from '../progress.ts'
import { importPackage } from '../storage/import-package.ts'
import { readList, readText } from '../values.ts'

interface Options {
  readonly depth: CaseDepth
  readonly grep?: string
  readonly scale?: number
  readonly seed?: readonly string[]
  readonly bail?: true
  readonly verbose?: true
}

/** The storage that the conformance cases test. */
interface Subject {
  readonly place: string
  readonly open: OpenWorld
  readonly capabilities: DeclaredCapabilities
  readonly skip: readonly SkippedCase[]
  readonly ground: Ground | null
}

const depths: readonly CaseDepth[] = ['cases', 'races', 'disconnects', 'model', 'soak']

/** `jobistemer conformance`. */
export const conformance: Command = {
  description:
    'Tests a storage with the cases that every adapter has to pass. Creates separate data beside those of the storage (a new folder beside a file, new keys under a prefix, a new table), and removes them at the end. Neither reads nor writes existing data. With MODULE: tests the adapter that the module opens.',
  arguments: '[module]',
  options: [
    {
      flags: '--depth <depth>',
      description: 'the deepest cases to run; deeper cases take longer and find more (default: soak, which is all)',
      choices: depths,
      default: 'soak',
    },
    { flags: '--grep <text>', description: 'only cases with this in their names', parse: readText('--grep') },
    {
      flags: '--scale <number>',
      description: 'factor for the number of rounds of races, model and soak (default: 1)',
      parse: readScale,
    },
    {
      flags: '--seed <seeds>',
      description: 'seeds of model and soak, by comma (default: 1,2,3)',
      parse: readList('--seed'),
    },
    { flags: '--bail', description: 'end at the first case that fails' },
    { flags: '-v, --verbose', description: 'a line for each case' },
  ],
  examples: [
    ['conformance --storage redis://localhost --depth cases', 'a server, with what takes seconds'],
    ['conformance ./my-adapter.mjs --grep overlap --verbose', 'an adapter of your own, some cases'],
    ['conformance --storage sqlite:jobs.db --scale 10 --seed 7 --json', 'more than usual, for a program'],
  ],
  exitsWithNo: 'a case has failed',
  async run(context: Context, [module]: readonly (string | undefined)[], options: Options) {
    const { depth, grep, bail, verbose } = options
    const { out, err, io } = context
    const effort = effortOf(options)
    const kit = await importPackage<Kit>('@jobistemer/storage-conformance', { cwd: io.cwd, field: 'conformance' })
    const subject = module === undefined ? await storageOf(context) : await adapterOf(module, context)
    const results: CaseResult[] = []
    let planned = 0
    try {
      const cases = planCases({ kit, ...subject, effort, depth, grep: grep ?? null })
      if (cases.length === 0) throw noCase(depth, grep)
      planned = cases.length
      if (subject.ground !== null && !out.isJson) out.line(text`In ${subject.ground.place}, until the end.`)
      const progress = progressOf(context, { verb: 'Tried', total: planned, isLong: planned > 100 })
      const told = () => {
        if (!err.isJson) err.line('Ending after this case. Ctrl-C again ends at once, and leaves the test data.')
      }
      context.signal.addEventListener('abort', told, { once: true })
      try {
        for await (const result of runCases(cases, context)) {
          results.push(result)
          if (!out.isJson && (verbose === true || result.outcome === 'failed')) {
            progress.end()
            printCase(context, result)
          }
          progress.show(results.length)
          if (bail === true && result.outcome === 'failed') break
        }
      } finally {
        progress.end()
        context.signal.removeEventListener('abort', told)
      }
    } finally {
      await subject.ground?.remove()
    }
    const count = (outcome: CaseResult['outcome']) => results.filter((one) => one.outcome === outcome).length
    const [passed, failed, skipped] = [count('passed'), count('failed'), count('skipped')]
    const notRun = planned - results.length
    if (out.isJson) {
      const { place: storage, capabilities } = subject
      out.json({ storage, capabilities, passed, failed, skipped, notRun, cases: results.map(documentOf) })
    } else {
      const parts = [
        `${passed} passed`,
        `${failed} failed`,
        ...(skipped > 0 ? [`${skipped} skipped`] : []),
        ...(notRun > 0 ? [`${notRun} not run`] : []),
      ]
      out.line(text`${subject.place}: ${counted(planned, 'case')}: ${joined(parts, ', ')}.`)
    }
    if (context.signal.aborted) return exitCodes.interrupted
    return failed > 0 ? exitCodes.no : exitCodes.fine
  },
}

/**
 * Prepares separate test databases, tables or keys at the location of the configured storage. The user's data stay
 * unchanged.
 */
async function storageOf({ session }: Context): Promise<Subject> {
  const located = await session.located()
  if (located === null) {
    // If the user gives no storage, this call throws an error. Otherwise the call opens the configured storage, which
    // the session closes later.
    await session.storage()
    throw new CliError({
      code: 'INVALID_STORAGE',
      message: 'The configuration opens its storage itself, so this command cannot open one with other data.',
      field: 'storage',
      remedy: 'Give --storage, or a module that exports open: jobistemer conformance ./my-adapter.mjs.',
    })
  }
  const ground = await groundAt(located.location, located.options)
  try {
    const open = guardedWorlds(ground.open)
    return { place: session.place, open, capabilities: await capabilitiesOf(open), skip: [], ground }
  } catch (error) {
    // Ignores an error of the cleanup, so that the caller receives the first error.
    await ground.remove().catch(() => undefined)
    throw error
  }
}

/** Loads the module at `path` and returns the storage adapter that the module opens. */
async function adapterOf(path: string, { io }: Context): Promise<Subject> {
  const module = await readAdapterModule(path, io.cwd)
  const open = guardedWorlds(module.open)
  const capabilities = module.capabilities ?? (await capabilitiesOf(open).catch((error) => throwOf(path, error)))
  return { place: path, open, capabilities, skip: module.skip ?? [], ground: null }
}

/** Throws the error of an adapter module as a CliError. Errors of this program and of storages keep their code. */
function throwOf(path: string, cause: unknown): never {
  if (cause instanceof CliError || JobistemerError.isInstance(cause)) throw cause
  throw new CliError({
    code: 'MODULE_FAILED',
    message: `${path} opens no storage: ${messageOf(cause).replace(/\.$/, '')}.`,
    field: 'MODULE',
    remedy: 'Mend the file; --debug shows the whole stack.',
    cause,
  })
}

function printCase({ out }: Context, { name, outcome, durationMs, error, reason }: CaseResult): void {
  const { dim, green, red, yellow } = out.styles
  const style = { passed: green, failed: red, skipped: yellow }[outcome]
  const behind = outcome === 'skipped' ? `(${reason})` : `${durationMs} ms`
  out.line(text`${style(outcome.padEnd(7))}  ${name}  ${dim(behind)}`)
  if (outcome === 'failed') out.block(messageOf(error), '         ')
}

function documentOf({ name, depth, outcome, durationMs, error, reason }: CaseResult): object {
  return { name, depth, outcome, durationMs, error: outcome === 'failed' ? messageOf(error) : null, reason }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

function effortOf({ scale, seed }: Options): EffortOptions {
  const seeds = seed?.map((one) => {
    if (/^\d{1,9}$/.test(one)) return Number(one)
    throw new CliError({
      code: 'INVALID_ARGUMENT',
      message: `--seed is not a whole number: ${JSON.stringify(one)}.`,
      field: '--seed',
      remedy: 'Give one or several by comma, such as 7 or 1,2,3.',
    })
  })
  return { ...(scale !== undefined && { scale }), ...(seeds !== undefined && { seeds }) }
}

function readScale(value: string): number {
  const scale = Number(value)
  if (/^\d+(\.\d+)?$/.test(value) && scale > 0 && scale <= 1000) return scale
  throw new CliError({
    code: 'INVALID_ARGUMENT',
    message: `--scale is not a number above 0, and 1000 at most: ${JSON.stringify(value)}.`,
    field: '--scale',
    remedy: 'Give one such as 0.2 or 10.',
  })
}

function noCase(depth: CaseDepth, grep: string | undefined): CliError {
  return new CliError({
    code: 'CASE_NOT_FOUND',
    message: `No case of depth ${depth} has ${JSON.stringify(grep ?? '')} in its name.`,
    field: '--grep',
    remedy: 'Leave it out, with --verbose, to see all names.',
  })
}
