import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type JobId, jobId } from '@jobistemer/core'
import type { JobRecord, Storage } from '@jobistemer/core/storage'
import { checkLedger } from '@jobistemer/storage-conformance'
import { cron } from '@jobistemer/ticker-cron'
import { checkRun } from './checker/check-run.ts'
import type { CheckedJob, RecordedRun } from './checker/recorded-run.ts'
import type { RunClocks } from './checker/run-clocks.ts'
import type { Violation } from './checker/violation.ts'
import { waitForRecovery, waitForRest } from './driver/convergence.ts'
import { ClockSkew } from './driver/clock-skew.ts'
import { type FaultCounts, planFaults, usualCounts } from './driver/fault-plan.ts'
import { FaultRunner } from './driver/fault-runner.ts'
import { Fleet } from './driver/fleet.ts'
import type { DriverEvent, HistoryLine } from './record/history.ts'
import { hostTime } from './record/host-time.ts'
import { LineWriter, readLines } from './record/line-file.ts'
import { readStoredLedger } from './record/stored-ledger.ts'
import type { WitnessLine } from './record/witness.ts'
import { countFigures } from './report/count-figures.ts'
import type { TortureReport } from './report/torture-report.ts'
import type { StorageKind } from './storages/storage-kind.ts'
import { storageKind } from './storages/storage-kinds.ts'
import type { TortureOptions } from './torture-options.ts'
import { Random } from './workload/random.ts'
import { workload } from './workload/workload.ts'

/** What is not on the command line. */
export interface TortureDetails {
  /** How many faults of each kind. Default: the usual mixture for the kills and the minutes. */
  readonly counts?: FaultCounts
  /** How long everything may take to recover, and again to come to rest. Default 60 s. */
  readonly recoveryLimitMs?: number
  /** Told of what goes on. */
  readonly onProgress?: (text: string) => void
}

// A node at rest has nothing to wait for.
const shutdownLimitMs = 20_000

// A server is away for seconds, a client takes seconds to notice, and an engine calls again within 5 s.
const longestRepeatMs = 20_000

/** Runs nodes on a storage, breaks them, lets them recover, and checks what they left. */
export async function torture(options: TortureOptions, details: TortureDetails = {}): Promise<TortureReport> {
  const { storage: storageName, nodes, seed, sabotage } = options
  const { recoveryLimitMs = 60_000, onProgress = () => {} } = details
  const kind = storageKind(storageName)
  const folder = mkdtempSync(join(tmpdir(), 'jobistemer-torture-'))
  const witnessFile = join(folder, 'witness.jsonl')
  const historyFile = join(folder, 'history.jsonl')
  const begin = hostTime().mono
  const durationMs = options.minutes * 60_000

  const history = new LineWriter(historyFile)
  const record = (event: DriverEvent) => history.write({ ...hostTime(), ...event })
  const logDescriptor = openSync(join(folder, 'nodes.log'), 'a')
  const prepared = await kind.prepare(folder)
  const { server, location } = prepared
  const hasClock = await tellsTime(kind, location)
  const skewMs = options.clockSkew * 60_000
  const counts =
    details.counts ??
    usualCounts({ kills: options.kills, nodes, durationMs, hasServer: server !== null, isSkewed: skewMs > 0 })
  const skew = new ClockSkew({ skewMs, isShared: hasClock, nodes, random: new Random(`${seed}:clocks`) })
  const clocks: RunClocks = {
    source: hasClock ? 'storage' : 'process',
    aheadMs: skew.aheadMs,
    behindMs: skew.behindMs,
    repeatMs: server === null ? 0 : longestRepeatMs,
  }
  const random = new Random(`${seed}:fleet`)
  const assignment = { storage: storageName, location, witnessFile, historyFile, seed, sabotage }
  const fleet = new Fleet({ nodes, assignment, clocks: skew, logDescriptor, random, record })
  const violations: Violation[] = []
  let isDone = false
  try {
    await fleet.start()
    fleet.assertAlive()
    onProgress(`${nodes} nodes have started; faults for ${(durationMs / 1000).toFixed(0)} s`)
    record({ event: 'phase', phase: 'faults' })
    const runner = new FaultRunner(fleet, { seed, witnessFile, server, record })
    await runner.run(planFaults({ seed, durationMs, counts }), options.kills)

    record({ event: 'phase', phase: 'calm' })
    onProgress(`${runner.figures.kills} kills done; waiting for everything to recover`)
    const calmAt = hostTime().mono
    await fleet.calmDown()
    const watching = await kind.open(location)
    const dueAfter = hostTime().wall + clocks.aheadMs
    violations.push(...(await waitForRecovery(watching, { witnessFile, dueAfter, limitMs: recoveryLimitMs })))

    record({ event: 'phase', phase: 'drain' })
    onProgress('ending the schedules')
    const drainAt = hostTime().mono
    const endAt = hostTime().wall + clocks.aheadMs + 1000
    violations.push(...(await endSchedules(fleet, endAt)), ...(await waitForRest(watching, recoveryLimitMs)))
    await watching.close()
    const restAt = hostTime().mono
    if (!(await fleet.shutDown(shutdownLimitMs))) {
      violations.push(convergenceViolation(`a node at rest did not shut down within ${shutdownLimitMs} ms`))
    }
    record({ event: 'phase', phase: 'end' })

    onProgress('checking')
    const storage = await kind.open(location)
    const witnessed = readLines<WitnessLine>(witnessFile)
    const told = readLines<HistoryLine>(historyFile)
    const jobs = workload.map(checkedJob)
    const run: RecordedRun = {
      jobs,
      clocks,
      witness: witnessed.lines,
      history: told.lines,
      ledger: await readStoredLedger(storage),
    }
    violations.push(...checkRun(run), ...(await ledgerViolations(storage, jobs)))
    await storage.close()
    const mustKeep = options.keep || violations.length > 0
    isDone = !mustKeep
    return {
      options,
      violations,
      folder: mustKeep ? folder : null,
      log: violations.some(({ rule }) => rule === 'process') ? lastLines(join(folder, 'nodes.log')) : null,
      figures: {
        ...runner.figures,
        ...countFigures(run),
        seconds: (hostTime().mono - begin) / 1000,
        secondsToRecover: (drainAt - calmAt) / 1000,
        secondsToRest: (restAt - drainAt) / 1000,
        tornLines: witnessed.torn + told.torn,
      },
    }
  } catch (error) {
    const message = `The torture could not be carried through; what the nodes said is in ${join(folder, 'nodes.log')}.`
    throw new Error(message, { cause: error })
  } finally {
    await fleet.killAll()
    await prepared.stop()
    history.close()
    closeSync(logDescriptor)
    if (isDone) rmSync(folder, { recursive: true, force: true })
  }
}

async function tellsTime(kind: StorageKind, location: string): Promise<boolean> {
  const storage = await kind.open(location)
  const answers = storage.serverTime !== undefined
  await storage.close()
  return answers
}

/** What the nodes said at last: why one of them ended by itself. */
function lastLines(file: string): string {
  return readFileSync(file, 'utf8').trimEnd().split('\n').slice(-40).join('\n')
}

/** One node is asked to; the others follow the new versions. */
async function endSchedules(fleet: Fleet, at: number): Promise<readonly Violation[]> {
  let problem = 'no node was there to end the schedules'
  // A node that crashes over it leaves the rest to the next one: an update that is done already changes nothing.
  for (let attempt = 0; attempt < 3; attempt++) {
    const [process] = fleet.up
    if (process === undefined) break
    const answer = await process.command({ do: 'end-schedules', at })
    if (answer.outcome === 'done') return []
    problem = `the schedules could not be ended: ${answer.outcome === 'failed' ? answer.error : 'the node died'}`
  }
  return [convergenceViolation(problem)]
}

function convergenceViolation(message: string): Violation {
  return { rule: 'convergence', job: null, occurrence: null, message }
}

function checkedJob({ name, cron: expression, settings }: (typeof workload)[number]): CheckedJob {
  const schedule = cron(expression)
  return {
    id: jobId(name),
    name,
    isExclusive: settings.overlapPolicy !== 'allow',
    isSlot: (at) => schedule.nextMs(at - 1) === at,
  }
}

async function ledgerViolations(storage: Storage, jobs: readonly CheckedJob[]): Promise<readonly Violation[]> {
  const names = new Map<JobId, string>(jobs.map((job) => [job.id, job.name]))
  const { violations } = await checkLedger(storage, {
    slots: slotsOf,
    exclusive: (job) => jobs.find((one) => one.id === job.id)?.isExclusive ?? false,
    atRest: true,
  })
  return violations.map(({ rule, jobId: id, occurrenceId, message }) => ({
    rule: 'ledger',
    job: names.get(id) ?? id,
    occurrence: occurrenceId,
    message: `${rule}: ${message}`,
  }))
}

/** By the definition that the nodes began with: later ones only end it, and no watermark passes that end. */
function* slotsOf({ name }: JobRecord, after: number, until: number): Iterable<number> {
  const expression = workload.find((job) => job.name === name)?.cron
  if (expression === undefined) return
  const schedule = cron(expression)
  for (let at = schedule.nextMs(after); at !== null && at <= until; at = schedule.nextMs(at)) yield at
}
