import { type ChildProcess, fork } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Client, createClient } from '@jobistemer/core'
import { sqliteStorage } from '@jobistemer/storage-sqlite'
import { onTestFinished } from 'vitest'

/** Creates a SQLite file that several processes share, and a client of that file. */
export function sharedDatabase(): { readonly file: string; readonly client: Client } {
  const folder = mkdtempSync(join(tmpdir(), 'jobistemer-nest-'))
  const file = join(folder, 'jobs.db')
  const storage = sqliteStorage({ file })
  const client = createClient({ storage })
  onTestFinished(async () => {
    await client.close()
    await storage.close()
    rmSync(folder, { recursive: true })
  })
  return { file, client }
}

/** Starts a server of `fixtures` on a SQLite file. The process is killed at the end of the test. */
export function startServer(program: URL, file: string): ChildProcess {
  const server = fork(fileURLToPath(program), [file], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
  onTestFinished(() => void server.kill('SIGKILL'))
  return server
}

/** Returns whether a process with this id exists. */
export function lives(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    // ESRCH: no process has this id.
    return false
  }
}
