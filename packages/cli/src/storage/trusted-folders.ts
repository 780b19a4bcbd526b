import { appendFileSync, mkdirSync, readFileSync, realpathSync, writeFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { dirname, join } from 'node:path'
import { CliError } from '../cli-error.ts'
import type { Io } from '../io.ts'

/**
 * The folders whose configuration file the user trusts. A configuration file is a program, which another user may have put
 * into the working folder. So the CLI runs only files that the user trusts. The file `trusted-folders` in the user's
 * configuration folder lists the trusted folders, with one absolute path per line.
 */
export class TrustedFolders {
  readonly #file: string

  constructor(env: Io['env']) {
    const base = env.XDG_CONFIG_HOME || env.APPDATA || join(env.HOME || homedir(), '.config')
    this.#file = join(base, 'jobistemer', 'trusted-folders')
  }

  /**
   * Returns whether the user trusts a folder. Compares real paths: trust ends if the folder is moved or replaced by a
   * link.
   */
  has(folder: string): boolean {
    try {
      return this.#read().includes(realpathSync(folder))
    } catch {
      // An unreadable list trusts no folder.
      return false
    }
  }

  /** @throws CliError if the list cannot be written */
  add(folder: string): void {
    if (this.has(folder)) return
    this.#change(() => {
      mkdirSync(dirname(this.#file), { recursive: true, mode: 0o700 })
      appendFileSync(this.#file, `${realpathSync(folder)}\n`, { mode: 0o600 })
    })
  }

  /** @throws CliError if the list cannot be read or written */
  remove(folder: string): void {
    this.#change(() => {
      const listed = this.#read()
      const kept = listed.filter((one) => one !== realpathSync(folder))
      if (kept.length < listed.length) writeFileSync(this.#file, kept.map((one) => `${one}\n`).join(''))
    })
  }

  #read(): readonly string[] {
    try {
      return readFileSync(this.#file, 'utf8').split('\n').filter(Boolean)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
      throw error
    }
  }

  #change(change: () => void): void {
    try {
      change()
    } catch (cause) {
      throw new CliError({
        code: 'TRUST_NOT_STORED',
        message: `The list of trusted folders cannot be changed: ${cause instanceof Error ? cause.message : String(cause)}.`,
        field: 'XDG_CONFIG_HOME',
        remedy: `Let this user read and write ${this.#file}, or set XDG_CONFIG_HOME to another folder.`,
        cause,
      })
    }
  }
}
