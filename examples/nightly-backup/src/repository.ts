import { execFile } from 'node:child_process'
import { lstatSync, readdirSync, readFileSync, realpathSync } from 'node:fs'
import { join, relative, sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

/** A commit with its changed files. The numbers of added and removed lines are `null` for binary files. */
export interface Commit {
  readonly hash: string
  readonly author: string
  readonly date: string
  readonly subject: string
  readonly changes: readonly { readonly path: string; readonly added: number | null; readonly removed: number | null }[]
}

/** The top folder of the repository that contains this example. */
export const repositoryFolder = fileURLToPath(new URL('../../..', import.meta.url))

const mostCommits = 5000
const foldersThatAreNoSource = new Set(['.git', 'node_modules', 'dist', 'coverage', '.turbo', '.data'])
const run = promisify(execFile)

/** Returns whether git is installed, and the folder is the top folder of a git checkout. */
export async function isCheckout(folder: string): Promise<boolean> {
  try {
    const { stdout } = await run('git', ['-C', folder, 'rev-parse', '--show-toplevel'])
    return realpathSync(stdout.trim()) === realpathSync(folder)
  } catch {
    return false
  }
}

/**
 * Lists the paths of all source files, relative to the folder and with forward slashes. In a checkout, lists only files
 * that git tracks.
 */
export async function listFiles(folder: string, checkout: boolean): Promise<readonly string[]> {
  const paths = checkout ? (await git(folder, ['ls-files', '-z'])).split('\0').filter(Boolean) : walk(folder, folder)
  return paths.filter((path) => lstatSync(join(folder, path), { throwIfNoEntry: false })?.isFile() === true).sort()
}

/** Returns the latest commits, newest first. */
export async function listCommits(folder: string): Promise<readonly Commit[]> {
  const format = '--format=%x1e%H%x1f%an%x1f%aI%x1f%s'
  const log = await git(folder, ['log', '-z', '--numstat', '--no-renames', `--max-count=${mostCommits}`, format])
  return log.split('\x1e').slice(1).map(readCommit)
}

export function readSourceFile(folder: string, path: string): Buffer {
  return readFileSync(join(folder, path))
}

function readCommit(text: string): Commit {
  const [header = '', ...lines] = text.split('\0')
  const [hash = '', author = '', date = '', subject = ''] = header.split('\x1f')
  const changes = lines.flatMap((line) => {
    const found = /^\s*(\d+|-)\t(\d+|-)\t(.+)$/s.exec(line)
    return found === null ? [] : [{ path: found[3] as string, added: count(found[1]), removed: count(found[2]) }]
  })
  return { hash, author, date, subject, changes }
}

function count(text: string | undefined): number | null {
  return text === undefined || text === '-' ? null : Number(text)
}

async function git(folder: string, args: readonly string[]): Promise<string> {
  const { stdout } = await run('git', ['-C', folder, ...args], { maxBuffer: 512 * 1024 * 1024 })
  return stdout
}

function walk(top: string, folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name)
    if (entry.isDirectory()) return foldersThatAreNoSource.has(entry.name) ? [] : walk(top, path)
    return [relative(top, path).split(sep).join('/')]
  })
}
