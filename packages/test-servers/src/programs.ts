import { spawnSync } from 'node:child_process'
import { accessSync, constants, readdirSync } from 'node:fs'
import { delimiter, join } from 'node:path'

// The distribution's package that brings a program.
const packages: Readonly<Record<string, string>> = {
  'redis-server': 'redis-server',
  'valkey-server': 'valkey-server',
  java: 'default-jre-headless',
  initdb: 'postgresql',
  postgres: 'postgresql',
  pg_basebackup: 'postgresql',
  pgbouncer: 'pgbouncer',
  chromium: 'chromium',
  prlimit: 'util-linux',
}
const brewNames: Readonly<Record<string, string>> = {
  initdb: 'postgresql',
  postgres: 'postgresql',
  pg_basebackup: 'postgresql',
}
// Debian keeps each version of PostgreSQL in a folder of its own, outside of the PATH.
const postgresVersions = '/usr/lib/postgresql'

/**
 * Sees to it that programs are on the PATH: where one is missing and packages can be installed without asking anybody,
 * its package is installed.
 * @throws Error that says what to install
 */
export function ensurePrograms(names: readonly string[]): void {
  for (const name of names) if (findProgram(name) === undefined) installProgram(name)
}

/** The path of a program. @throws Error that says what to install */
export function programPath(name: string): string {
  ensurePrograms([name])
  return findProgram(name) ?? name
}

function findProgram(name: string): string | undefined {
  const usual = ['/usr/bin', '/usr/local/bin', '/usr/sbin']
  const folders = [...(process.env.PATH ?? '').split(delimiter), ...usual, ...postgresFolders()]
  return folders
    .filter(Boolean)
    .map((folder) => join(folder, name))
    .find(isExecutable)
}

/** The newest version first. */
function postgresFolders(): readonly string[] {
  try {
    return readdirSync(postgresVersions)
      .sort((one, other) => Number(other) - Number(one))
      .map((version) => join(postgresVersions, version, 'bin'))
  } catch {
    // There is no such folder elsewhere than on Debian and its kin.
    return []
  }
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK)
    return true
  } catch {
    return false
  }
}

function installProgram(name: string): void {
  const packageName = packages[name] ?? name
  const problem = installPackage(packageName)
  if (problem === null && findProgram(name) !== undefined) return
  throw new Error(
    `The program ${name} is not on the PATH${problem === null ? '' : `, and could not be installed (${problem})`}. ` +
      `Install it and try again: on Debian and Ubuntu "apt-get install ${packageName}", with Homebrew "brew install ${brewNames[name] ?? name.replace(/-server$/, '')}".`,
  )
}

/** Installs a Debian package. Answers why that did not work, or `null`. */
function installPackage(name: string): string | null {
  const isRoot = process.getuid?.() === 0
  if (findProgram('apt-get') === undefined) return 'there is no apt-get'
  if (!isRoot && run(['sudo', '-n', 'true']) !== null) return 'that would need a password'
  console.log(`Installing the package ${name} …`)
  const apt = [...(isRoot ? [] : ['sudo', '-n', '-E']), 'apt-get', '-q', '-o', 'DPkg::Lock::Timeout=300']
  const install = [...apt, 'install', '-y', '--no-install-recommends', name]
  // The lists of a fresh machine are empty or old.
  if (run(install) === null) return null
  return run([...apt, 'update']) ?? run(install)
}

/** Runs a command to its end. Answers what it said when it failed, or `null`. */
function run([command = '', ...args]: readonly string[]): string | null {
  // RUNLEVEL: the packages would start a server of their own, which nobody here wants.
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive', RUNLEVEL: '1' }
  const { status, error, stderr } = spawnSync(command, args, {
    env,
    stdio: ['ignore', 'ignore', 'pipe'],
    encoding: 'utf8',
  })
  if (error !== undefined) return error.message
  return status === 0 ? null : stderr.trim().split('\n').at(-1) || `${command} ended with code ${status}`
}
