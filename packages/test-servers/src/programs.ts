import { spawnSync } from 'node:child_process'
import { accessSync, constants, readdirSync } from 'node:fs'
import { delimiter, join } from 'node:path'

// The Debian package of each program.
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
// Folder with PostgreSQL's versions. Debian installs them outside of the PATH.
const postgresVersions = '/usr/lib/postgresql'

/**
 * Checks that programs are on the PATH. If a program is missing, installs its package if root rights need no password.
 * @throws Error with the package to install
 */
export function ensurePrograms(names: readonly string[]): void {
  for (const name of names) if (findProgram(name) === undefined) installProgram(name)
}

/** Returns the path of a program, and installs it if it is missing. @throws Error with the package to install */
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

/** Returns the program folders of all PostgreSQL versions, the newest first. */
function postgresFolders(): readonly string[] {
  try {
    return readdirSync(postgresVersions)
      .sort((one, other) => Number(other) - Number(one))
      .map((version) => join(postgresVersions, version, 'bin'))
  } catch {
    // Only Debian and its derivatives have the folder of PostgreSQL's versions, so other systems have no further
    // program folders.
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

/** Installs a Debian package. Returns the reason of a failure, or `null` after success. */
function installPackage(name: string): string | null {
  const isRoot = process.getuid?.() === 0
  if (findProgram('apt-get') === undefined) return 'there is no apt-get'
  if (!isRoot && run(['sudo', '-n', 'true']) !== null) return 'that would need a password'
  console.log(`Installing the package ${name} …`)
  const apt = [...(isRoot ? [] : ['sudo', '-n', '-E']), 'apt-get', '-q', '-o', 'DPkg::Lock::Timeout=300']
  const install = [...apt, 'install', '-y', '--no-install-recommends', name]
  // The first attempt fails on a new machine whose package lists are empty or old. The second attempt follows an update
  // of these lists.
  if (run(install) === null) return null
  return run([...apt, 'update']) ?? run(install)
}

/** Runs a command to its end. Returns its output if it failed, or `null` after success. */
function run([command = '', ...args]: readonly string[]): string | null {
  // `RUNLEVEL` keeps the installed packages from starting servers.
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive', RUNLEVEL: '1' }
  const { status, error, stderr } = spawnSync(command, args, {
    env,
    stdio: ['ignore', 'ignore', 'pipe'],
    encoding: 'utf8',
  })
  if (error !== undefined) return error.message
  return status === 0 ? null : stderr.trim().split('\n').at(-1) || `${command} ended with code ${status}`
}
