import { fork } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { addTally, type CompletionOutcome, type CompletionTally, emptyTally } from '@jobistemer/test-kit/completions'
import { startPostgres } from '@jobistemer/test-servers'
import { hostTime } from '../record/host-time.ts'
import type { CompletionOptions } from './completion-options.ts'
import type { PlayerAssignment } from './player-assignment.ts'

// Plain Node.js runs no TypeScript. In the tests of this package, this module is a TypeScript source. So the child processes
// that run `playCompletions` run the built module.
const playerModule = new URL(
  import.meta.url.endsWith('.ts') ? '../../dist/completions/player-process.js' : './player-process.js',
  import.meta.url,
)

/** The result of all plays, the runs of `playCompletions`. */
export interface CompletionReport {
  readonly tally: CompletionTally
  /** Number of runs of `playCompletions` that ended and were checked. */
  plays: number
  /** Number of processes that killed themselves during a run of `playCompletions`. */
  kills: number
  seconds: number
  /** Violations, each with the seed of the run of `playCompletions` that showed it. */
  readonly violations: string[]
}

/** Number of handlers that a node runs at once. */
const concurrency = 24
/** Maximum delay of settle and claim calls, in ms, so that several of them form a batch. See `CompletionPlay`. */
const delayMs = 30
/**
 * Maximum number of connections of a process that runs `playCompletions`: those of its handlers, pools and listeners,
 * and those of a killed process until the server ends them.
 */
const connectionsOfPlayer = 4 * concurrency + 40
/** One run of `playCompletions` in four has a single job, whose calls all conflict with each other. */
const oneJobEvery = 4
const manyJobs = 16

/**
 * Runs {@link playCompletions} in child processes on a private PostgreSQL. Some processes kill themselves, and the next process
 * continues the run. The server does not flush to disk, because no test cuts its power.
 */
export async function tortureCompletions(
  options: CompletionOptions,
  onPlay: (report: CompletionReport) => void = () => {},
): Promise<CompletionReport> {
  const begin = hostTime().mono
  const report: CompletionReport = { tally: emptyTally(), plays: 0, kills: 0, seconds: 0, violations: [] }
  const server = await startPostgres({
    quick: true,
    config: {
      max_connections: String(options.players * connectionsOfPlayer + 10),
      // A new connection replaces each broken one. With small buffers and a preloaded library, PostgreSQL opens a
      // connection faster.
      shared_buffers: '16MB',
      shared_preload_libraries: 'plpgsql',
    },
  })
  const folder = mkdtempSync(join(tmpdir(), 'jobistemer-completions-'))
  let { seed } = options
  const player = async () => {
    const endAt = begin + (options.minutes ?? Number.POSITIVE_INFINITY) * 60_000
    while (report.tally.tries < options.tries && hostTime().mono < endAt) {
      const outcome = await new Play(assignmentOf(seed++)).run()
      addTally(report.tally, outcome.tally)
      report.violations.push(...outcome.violations)
      report.kills += outcome.kills
      report.plays++
      report.seconds = (hostTime().mono - begin) / 1000
      onPlay(report)
    }
  }
  const assignmentOf = (seed: number): PlayerAssignment => ({
    ...options,
    url: server.socketUrl,
    seed,
    jobs: seed % oneJobEvery === 0 ? 1 : manyJobs,
    concurrency,
    delayMs,
    remainsFile: join(folder, `${seed}.json`),
    goesOn: false,
  })
  try {
    await Promise.all(Array.from({ length: options.players }, player))
  } finally {
    await server.stop()
    rmSync(folder, { recursive: true, force: true })
  }
  return report
}

interface PlayOutcome {
  readonly tally: CompletionTally
  readonly violations: readonly string[]
  readonly kills: number
}

/** A run of `playCompletions`. If its process kills itself, further processes continue the run. */
class Play {
  readonly #assignment: PlayerAssignment
  #kills = 0

  constructor(assignment: PlayerAssignment) {
    this.#assignment = assignment
  }

  async run(): Promise<PlayOutcome> {
    for (;;) {
      const { outcome, code, signal } = await this.#life()
      const kills = this.#kills
      if (outcome !== null) {
        const { violations, ...tally } = outcome
        return { tally, violations: violations.map((line) => `seed ${this.#assignment.seed}: ${line}`), kills }
      }
      if (signal !== 'SIGKILL') {
        const end = signal ?? `code ${code}`
        return {
          tally: emptyTally(),
          violations: [`seed ${this.#assignment.seed}: the process ended with ${end}`],
          kills,
        }
      }
      this.#kills++
    }
  }

  async #life(): Promise<{ outcome: CompletionOutcome | null; code: number | null; signal: string | null }> {
    const assignment = { ...this.#assignment, goesOn: this.#kills > 0 }
    const child = fork(playerModule, [JSON.stringify(assignment)], { execArgv: [] })
    let outcome: CompletionOutcome | null = null
    child.on('message', (message) => {
      outcome = message as CompletionOutcome
    })
    return await new Promise((resolve, reject) => {
      child.on('error', reject)
      child.on('exit', (code, signal) => resolve({ outcome, code, signal }))
    })
  }
}
