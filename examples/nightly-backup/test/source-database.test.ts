import { execFileSync } from 'node:child_process'
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { expect, it } from 'vitest'
import { buildSourceDatabase } from '../src/source-database.ts'
import { temporaryFolder } from './world.ts'

function sourceTree(): string {
  const folder = temporaryFolder()
  mkdirSync(join(folder, 'deep'))
  mkdirSync(join(folder, 'node_modules'))
  writeFileSync(join(folder, 'two-lines.txt'), 'one\ntwo\n')
  writeFileSync(join(folder, 'deep', 'no newline ü.txt'), 'one\ntwo')
  writeFileSync(join(folder, 'binary'), Buffer.from([0, 1, 255]))
  writeFileSync(join(folder, 'node_modules', 'left-out.js'), '')
  symlinkSync('two-lines.txt', join(folder, 'link'))
  return folder
}

function git(folder: string, ...args: readonly string[]): void {
  const identity = ['-c', 'user.name=Ada', '-c', 'user.email=ada@example.org', '-c', 'commit.gpgsign=false']
  execFileSync('git', ['-C', folder, ...identity, ...args], { stdio: 'ignore' })
}

async function build(folder: string) {
  const file = join(temporaryFolder(), 'source.db')
  const summary = await buildSourceDatabase(file, folder)
  const database = new Database(file, { readonly: true })
  const read = (query: string) => database.prepare(query).raw().all()
  const files = read('SELECT path, bytes, lines, typeof(content) FROM files ORDER BY path')
  const commits = read('SELECT author, subject FROM commits ORDER BY subject')
  const changes = read(
    'SELECT subject, path, added, removed FROM changes JOIN commits ON hash = commit_hash ORDER BY 1, 2',
  )
  database.close()
  return { summary, files, commits, changes }
}

const files = [
  ['binary', 3, null, 'blob'],
  ['deep/no newline ü.txt', 7, 2, 'text'],
  ['two-lines.txt', 8, 2, 'text'],
]

it('if the source folder has no git history, the demo’s source database contains only the folder’s files', async () => {
  const built = await build(sourceTree())
  expect(built.summary).toEqual({ files: 3, commits: null })
  expect(built.files).toEqual(files)
  expect(built.commits).toEqual([])
})

it('the demo’s source database omits the history of a git checkout that does not track the source folder', async () => {
  const outer = temporaryFolder()
  git(outer, 'init')
  const inner = join(outer, 'inner')
  mkdirSync(inner)
  writeFileSync(join(inner, 'file'), 'x')
  expect((await build(inner)).summary).toEqual({ files: 1, commits: null })
})

it('the demo’s source database is built from the tracked files and the history of a checkout', async () => {
  const folder = sourceTree()
  git(folder, 'init')
  git(folder, 'add', 'two-lines.txt', 'deep', 'binary', 'link')
  git(folder, 'commit', '-m', '1: begin')
  writeFileSync(join(folder, 'two-lines.txt'), 'one\n2\n3\n')
  git(folder, 'commit', '-am', '2: change')
  writeFileSync(join(folder, 'untracked'), '')
  const built = await build(folder)
  expect(built.summary).toEqual({ files: 3, commits: 2 })
  expect(built.files.map((row) => (row as string[])[0])).toEqual(files.map(([path]) => path))
  expect(built.commits).toEqual([
    ['Ada', '1: begin'],
    ['Ada', '2: change'],
  ])
  expect(built.changes).toEqual([
    ['1: begin', 'binary', null, null],
    ['1: begin', 'deep/no newline ü.txt', 2, 0],
    ['1: begin', 'link', 1, 0],
    ['1: begin', 'two-lines.txt', 2, 0],
    ['2: change', 'two-lines.txt', 2, 1],
  ])
})
