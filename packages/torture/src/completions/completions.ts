import { fork } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { addTally, type CompletionOutcome, type CompletionTally, emptyTally } from '@jobistemer/test-kit'
import { startPostgres } from '@jobistemer/test-servers'
import { hostTime } from '../record/host-time.ts'
import type { CompletionOptions } from './completion-options.ts'
import type { PlayerAssignment } from './player-assignment.ts'

// Plain Node runs no TypeScript: from the sources, which only this package's own tests run, the built one is used.
const playerModule = new URL(
  import.meta.url.endsWith('.ts') ? '../../dist/completions/player-process.js' : './player-process.js',
  import.meta.url,
)

/** What came of all plays. */
export interface CompletionReport {
  readonly tally: CompletionTally
  /** Plays that were judged at their end. */
  plays: number
  /** How many processes have killed themselves in the middle of a play. */
  kills: number
  seconds: number
  /** What must not be, each with the seed of its play. */
  readonly violations: string[]
}

/** How many handlers of a node are under way at once. */
const concurrency = 24
/** See `CompletionPlay`: the calls of so many handlers gather. */
const delayMs = 30
/** Of each player: those of its handlers, of its pools, and of whoever listens; and what a killed one leaves for a moment. */
const connectionsOfPlayer = 4 * concurrency + 40
/** One play in so many is of one job, whose calls get in each other's way. */
const oneJobEvery = 4
const manyJobs = 16

/**
 * Processes play {@link playCompletions} on a PostgreSQL of their own, one play after the other, and kill themselves in the
 * middle of some; the next one goes on. The server writes nothing through to the disk: nobody takes its power.
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
      // Each connection that is broken makes way for a new one: what makes a new one cheap.
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

/** One play, of as many processes as it takes. */
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
