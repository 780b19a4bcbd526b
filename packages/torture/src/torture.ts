import { JobistemerError } from '@jobistemer/core'
import type { Storage } from '@jobistemer/core/storage'
import { checkLossyRun, checkRun } from './checker/check-run.ts'
import { checkedJob, checkStoredLedger } from './checker/check-stored-ledger.ts'
import type { RecordedRun } from './checker/recorded-run.ts'
import type { RunClocks } from './checker/run-clocks.ts'
import type { Violation } from './checker/violation.ts'
import { ClockSkew } from './driver/clock-skew.ts'
import { waitForRecovery, waitForRest } from './driver/convergence.ts'
import { endSchedules } from './driver/end-schedules.ts'
import { type FaultCounts, planFaults, usualCounts } from './driver/fault-plan.ts'
import { FaultRunner } from './driver/fault-runner.ts'
import { Fleet } from './driver/fleet.ts'
import { hostTime } from './record/host-time.ts'
import { Recording } from './record/recording.ts'
import { readStoredLedger } from './record/stored-ledger.ts'
import { countFigures } from './report/count-figures.ts'
import type { TortureReport } from './report/torture-report.ts'
import type { PreparedStorage } from './storages/storage-kind.ts'
import { storageKind } from './storages/storage-kinds.ts'
import type { TortureOptions } from './torture-options.ts'
import { sleep } from './support/sleep.ts'
import { SeededRandom } from '@jobistemer/storage-conformance/seeded-random'
import { workload } from './workload/workload.ts'

/** Settings of a torture run that have no command-line option. */
export interface TortureDetails {
  /** Number of faults of each kind. Default: derived from the numbers of kills and minutes. */
  readonly counts?: FaultCounts
  /** Maximum time without progress while the nodes recover and while they finish all runs, in ms. Default 60 s. */
  readonly recoveryLimitMs?: number
  /** Receives lines about the progress of the run. */
  readonly onProgress?: (text: string) => void
}

// Maximum duration of a node's final shutdown, in ms. The nodes have no unfinished work then.
const shutdownLimitMs = 20_000

// Maximum time for which an engine repeats a call, in ms. It covers an outage, its detection, and the time until the next
// retry. An outage and its detection take some seconds, and the next retry comes within 5 s.
const longestRepeatMs = 20_000

// Pause before the driver repeats the removal of the node records, in ms.
const repeatPauseMs = 200

/** Runs nodes on a storage, injects faults, lets the nodes recover, and checks the result. */
export async function torture(options: TortureOptions, details: TortureDetails = {}): Promise<TortureReport> {
  const recording = new Recording()
  let report: TortureReport | null = null
  let prepared: PreparedStorage | null = null
  try {
    prepared = await storageKind(options.storage).prepare(recording.folder)
    report = await tortureStorage(prepared, recording, options, details)
    return report
  } catch (error) {
    const message = `The torture failed. The output of the nodes is in ${recording.logFile}.`
    throw new Error(message, { cause: error })
  } finally {
    await prepared?.stop()
    recording.close({ remove: report !== null && report.folder === null })
  }
}

async function tortureStorage(
  { location, server }: PreparedStorage,
  recording: Recording,
  options: TortureOptions,
  details: TortureDetails,
): Promise<TortureReport> {
  const { storage: storageName, nodes, callers, seed, sabotage, kills } = options
  const { recoveryLimitMs = 60_000, onProgress = () => {} } = details
  const { witnessFile, historyFile, logDescriptor, record } = recording
  const begin = hostTime().mono
  const durationMs = options.minutes * 60_000
  const skewMs = options.clockSkew * 60_000
  const kind = storageKind(storageName)
  const open = (): Promise<Storage> => kind.open(location)

  const hasClock = await tellsTime(open)
  const skew = new ClockSkew({ skewMs, isShared: hasClock, nodes, random: new SeededRandom(`${seed}:clocks`) })
  const clocks: RunClocks = {
    source: hasClock ? 'storage' : 'process',
    aheadMs: skew.aheadMs,
    behindMs: skew.behindMs,
    repeatMs: server === null ? 0 : longestRepeatMs,
  }
  const assignment = { storage: storageName, location, witnessFile, historyFile, seed, sabotage }
  const random = new SeededRandom(`${seed}:fleet`)
  const fleet = new Fleet({ nodes, callers, assignment, clocks: skew, logDescriptor, random, record })
  const violations: Violation[] = []
  try {
    await fleet.start()
    fleet.assertAlive()
    onProgress(`${nodes} nodes have started; faults for ${(durationMs / 1000).toFixed(0)} s`)
    record({ event: 'phase', phase: 'faults' })
    const usual = {
      kills,
      nodes,
      durationMs,
      hasServer: server !== null,
      isSkewed: skewMs > 0,
      losesWrites: options.loseWrites,
    }
    const forgetNodes = async (): Promise<void> => {
      // After a restart, the servers of a Redis Cluster redirect calls to each other until they agree on the hash slots
      // again. So the driver repeats the removal of the node records for up to 20 s.
      const until = hostTime().mono + longestRepeatMs
      for (;;) {
        const storage = await open()
        try {
          return await removeNodes(storage)
        } catch (error) {
          if (!JobistemerError.isInstance(error, 'STORAGE_UNREACHABLE') || hostTime().mono > until) throw error
          await sleep(repeatPauseMs)
        } finally {
          await storage.close()
        }
      }
    }
    const runner = new FaultRunner(fleet, { seed, witnessFile, server, forgetNodes, record })
    await runner.run(planFaults({ seed, durationMs, counts: details.counts ?? usualCounts(usual) }), kills)

    record({ event: 'phase', phase: 'calm' })
    onProgress(`${runner.figures.kills} kills done; waiting for all jobs to recover`)
    const calmAt = hostTime().mono
    await fleet.calmDown()
    await runner.calmDown()
    const watching = await open()
    const dueAfter = hostTime().wall + clocks.aheadMs
    violations.push(...(await waitForRecovery(watching, { witnessFile, dueAfter, limitMs: recoveryLimitMs })))

    record({ event: 'phase', phase: 'drain' })
    onProgress('ending the schedules')
    const drainAt = hostTime().mono
    const endAt = hostTime().wall + clocks.aheadMs + 1000
    violations.push(...(await endSchedules(fleet, endAt)), ...(await waitForRest(watching, recoveryLimitMs)))
    const restAt = hostTime().mono
    await watching.close()
    if (!(await fleet.shutDown(shutdownLimitMs))) {
      const message = `a node at rest did not shut down within ${shutdownLimitMs} ms`
      violations.push({ rule: 'convergence', job: null, occurrence: null, message })
    }
    record({ event: 'phase', phase: 'end' })

    onProgress('checking')
    // The checks read the storage through a new connection, without state from the run.
    const fresh = await open()
    const { torn, ...lines } = recording.read()
    const rows = await kind.openRows?.(location)
    const run: RecordedRun = {
      jobs: workload(kind.slowdown).map(checkedJob),
      clocks,
      deadAfterMs: kind.intervals.deadAfter,
      ...lines,
      rows: (await rows?.all()) ?? null,
      ledger: await readStoredLedger(fresh),
    }
    violations.push(...(options.loseWrites ? checkLossyRun(run) : checkRun(run)))
    violations.push(...(await checkStoredLedger(fresh, run.jobs)))
    await fresh.close()
    await rows?.close()
    const mustKeep = options.keep || violations.length > 0
    if (mustKeep) recording.keepLedger(run.ledger)
    return {
      options,
      violations,
      folder: mustKeep ? recording.folder : null,
      log: violations.some(({ rule }) => rule === 'process') ? recording.lastLog() : null,
      figures: {
        ...runner.figures,
        ...countFigures(run),
        seconds: (hostTime().mono - begin) / 1000,
        secondsToRecover: (drainAt - calmAt) / 1000,
        secondsToRest: (restAt - drainAt) / 1000,
        tornLines: torn,
      },
    }
  } finally {
    await fleet.killAll()
  }
}

async function tellsTime(open: () => Promise<Storage>): Promise<boolean> {
  const storage = await open()
  const hasClock = storage.serverTime !== undefined
  await storage.close()
  return hasClock
}

async function removeNodes(storage: Storage): Promise<void> {
  const look = { now: hostTime().wall, own: null, profilesOf: [] }
  const { nodes } = await storage.heartbeat({ ...look, remove: [] })
  await storage.heartbeat({ ...look, remove: nodes.map(({ incarnation, counter }) => ({ incarnation, counter })) })
}
