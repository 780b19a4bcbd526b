import { counted } from '../output/counted.ts'
import type { Command, Context } from '../command.ts'
import { allChecks, postgresChecks } from '../doctor/all-checks.ts'
import type { Finding, Severity } from '../doctor/finding.ts'
import { survey } from '../doctor/survey.ts'
import { exitCodes } from '../exit-codes.ts'
import { text } from '../output/rendered.ts'
import { reportOf } from '../report-error.ts'
import { readCount, readDuration } from '../values.ts'

interface Options {
  readonly observe: number
  readonly failures: number
  readonly limit: number
}

const severities: readonly Severity[] = ['error', 'warning', 'info']

/** `jobistemer doctor`. */
export const doctor: Command = {
  description:
    'Finds out what is wrong: with the storage, the clocks, the nodes, the jobs and their runs. Changes nothing.',
  options: [
    {
      flags: '--observe <duration>',
      description: 'maximum time to watch heartbeats (default: 12s)',
      default: 12_000,
      parse: readDuration('--observe'),
    },
    {
      flags: '--failures <count>',
      description: 'number of consecutive failed runs that is an error (default: 3)',
      default: 3,
      parse: readCount('--failures', 1, 100),
    },
    {
      flags: '-n, --limit <count>',
      description: 'maximum number of jobs to check (default: 10000)',
      default: 10_000,
      parse: readCount('--limit', 1, 1_000_000),
    },
  ],
  examples: [
    ['doctor', 'all checks'],
    ['doctor --observe 0 --json', 'at once, without telling which nodes live; for a program'],
  ],
  exitsWithNo: 'a finding is an error',
  async run(context: Context, _, { observe, failures, limit }: Options) {
    let findings: readonly Finding[]
    let examined = { jobs: 0, nodes: 0, isPartial: false }
    let code: number
    const inspecting = context.session.inspection()
    // If the inspection of the PostgreSQL server fails, `inspected` is `null`. The same fault makes the opening of the
    // storage fail, and the doctor reports the error of the opening.
    const inspected = inspecting.catch(() => null)
    try {
      const [storage, client, clock, postgres] = await Promise.all([
        context.storage(),
        context.client(),
        context.session.clock(),
        inspecting,
      ])
      const { warnings } = context.session
      const settings = { observeMs: observe, failures, most: limit }
      const seen = await survey(storage, { client, clock, settings, postgres, warnings, signal: context.signal })
      examined = {
        jobs: seen.jobs.length + seen.unreadable.length,
        nodes: seen.nodes.length,
        isPartial: seen.isPartial,
      }
      const found: (readonly Finding[])[] = []
      for (const check of Object.values(allChecks)) found.push(await check(seen))
      findings = found
        .flat()
        .sort((left, right) => severities.indexOf(left.severity) - severities.indexOf(right.severity))
      code = findings.some(({ severity }) => severity === 'error') ? exitCodes.no : exitCodes.fine
    } catch (error) {
      const reported = reportOf(error, context.signal.aborted)
      if (reported.exitCode !== exitCodes.storage) throw error
      const postgres = await inspected
      const ofServer = await Promise.all(Object.values(postgresChecks).map((check) => check({ postgres })))
      findings = [storageFinding(reported), ...ofServer.flat()]
      code = reported.exitCode
    }
    if (context.out.isJson) context.out.json({ storage: context.session.place, examined, findings })
    else printFindings(context, findings, examined)
    return code
  },
}

/** The remedy for an old schema. Nodes migrate the schema at their start, but `doctor` does not migrate it. */
const migration = 'Start a node of this version, which makes the schema; or apply what jobistemer sql prints.'

/**
 * Reports that the doctor cannot use the storage. If a PostgreSQL server is reachable, also reports the findings about
 * that server.
 */
function storageFinding({ code, field, message, remedy }: ReturnType<typeof reportOf>): Finding {
  return {
    code: field === 'maxmemory-policy' ? 'STORAGE_EVICTS' : code,
    severity: 'error',
    message,
    remedy: field === 'migrate' ? migration : (remedy ?? 'Look at the storage itself.'),
  }
}

function printFindings(
  { out, session }: Context,
  findings: readonly Finding[],
  { jobs, nodes, isPartial }: { readonly jobs: number; readonly nodes: number; readonly isPartial: boolean },
): void {
  const { bold, cyan, dim, red, yellow } = out.styles
  const styles = { error: red, warning: yellow, info: cyan }
  for (const { severity, code, message, remedy } of findings) {
    out.line(text`${bold(styles[severity](severity.padEnd(7)))}  ${bold(code)}  ${message}`)
    out.line(text`         ${dim(remedy)}`)
  }
  const counts = severities.map((severity) =>
    counted(findings.filter((one) => one.severity === severity).length, severity),
  )
  const part = isPartial ? ' (there are more: --limit)' : ''
  if (findings.length > 0) out.line()
  out.line(
    text`${session.place}: ${counted(jobs, 'job')}${part}, ${counted(nodes, 'node')}, ${Object.keys(allChecks).length} checks: ${counts.join(', ')}.`,
  )
}
