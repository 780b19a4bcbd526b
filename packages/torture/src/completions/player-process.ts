import { readFileSync, writeFileSync } from 'node:fs'
import { postgresStorage } from '@jobistemer/storage-postgres'
import { type CompletionOutcome, CompletionPlayers, type CompletionRemains } from '@jobistemer/test-kit/completions'
import { HostilePostgres } from '@jobistemer/test-kit/hostile-postgres'
import { completeLate } from '@jobistemer/test-kit/sabotage'
import pg from 'pg'
import type { PlayerAssignment } from './player-assignment.ts'

// This module is a child process that runs `playCompletions`, or continues an interrupted run of it. The process sends
// the result to its parent, or kills itself before the end.

const connections = 24
const breakerConnections = 4

function open(url: string, max: number): pg.Pool {
  const pool = new pg.Pool({ connectionString: url, max })
  // The connections break only when the server stops. The next call then reports the error, so this listener ignores it.
  pool.on('error', () => {})
  return pool
}

async function play(assignment: PlayerAssignment): Promise<CompletionOutcome> {
  const { url, seed, occurrences, jobs, concurrency, delayMs, killEvery, sabotage, remainsFile, goesOn } = assignment
  const [pool, breakers] = [open(url, connections), open(url, breakerConnections)]
  let players: CompletionPlayers | undefined
  const kill = (fault: string, statement: string) => {
    writeFileSync(remainsFile, JSON.stringify(players?.remains(fault, statement)))
    process.kill(process.pid, 'SIGKILL')
  }
  const database = await HostilePostgres.make({
    pool,
    breakers,
    url,
    schema: `play_${seed}`,
    storage: postgresStorage,
    kill,
  })
  players = new CompletionPlayers({
    database,
    seed,
    occurrences,
    jobs,
    concurrency,
    delayMs,
    ...(killEvery > 0 && { killEvery }),
    ...(sabotage && { wrap: completeLate }),
    ...(goesOn && { before: JSON.parse(readFileSync(remainsFile, 'utf8')) as CompletionRemains }),
  })
  const outcome = await players.run()
  await database.remove()
  await Promise.all([pool.end(), breakers.end()])
  return outcome
}

// Without its parent, the process cannot deliver its result, so it exits.
process.on('disconnect', () => process.exit(1))

const outcome = await play(JSON.parse(process.argv[2] as string) as PlayerAssignment)
process.send?.(outcome, () => process.exit(0))
