import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { Occurrence } from '@jobistemer/core'
import { jobName } from './backup-job.ts'

/** Returns the output of the CLI for the ledger and for the interrupted run. Returns no lines if no run was interrupted. */
export async function toldByCli(folder: string, occurrences: readonly Occurrence[]): Promise<readonly string[]> {
  const interrupted = occurrences.find(({ tasks }) =>
    tasks.some(({ attempts }) => attempts.some(({ state }) => state === 'lost')),
  )
  if (interrupted === undefined) return []
  const lines: string[] = []
  for (const argv of [
    ['history', jobName, '--utc'],
    ['explain', jobName, interrupted.scheduledAt.toISOString(), '--utc'],
  ]) {
    const answer = await jobistemer([...argv, '--storage', 'sqlite:ledger.db'], folder)
    lines.push(`  $ npx jobistemer ${argv.join(' ')} --storage sqlite:ledger.db`)
    lines.push(
      ...answer
        .trimEnd()
        .split('\n')
        .map((line) => `  ${line}`.trimEnd()),
      '',
    )
  }
  return lines
}

function jobistemer(argv: readonly string[], cwd: string): Promise<string> {
  const bin = fileURLToPath(new URL('bin.js', import.meta.resolve('@jobistemer/cli')))
  return new Promise((resolve, reject) => {
    execFile(process.execPath, [bin, ...argv, '--no-color'], { cwd, encoding: 'utf8' }, (error, stdout) => {
      if (error === null) resolve(stdout)
      else reject(error)
    })
  })
}
