import { type ChildProcess, fork } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Client, createClient } from '@jobistemer/core'
import { sqliteStorage } from '@jobistemer/storage-sqlite'
import { onTestFinished } from 'vitest'

/** A database that several processes share, with a client that looks at it. */
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

/** Starts one of the servers in `fixtures` on a database. It is killed when the test has ended. */
export function startServer(program: URL, file: string): ChildProcess {
  const server = fork(fileURLToPath(program), [file], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
  onTestFinished(() => void server.kill('SIGKILL'))
  return server
}

/** Whether a process is there. */
export function lives(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    // ESRCH: no process has this number.
    return false
  }
}
