import { spawnSync } from 'node:child_process'

export interface ServerUser {
  readonly uid: number
  readonly gid: number
}

// Users to try: the user of Debian's package, and `nobody`, which every system has.
const names = ['postgres', 'nobody']

/**
 * Returns the user as which to run a server that refuses to run as root; `undefined` if this process does not run as
 * root.
 */
export function serverUser(): ServerUser | undefined {
  if (process.getuid?.() !== 0) return undefined
  for (const name of names) {
    const [uid, gid] = [numberOf('-u', name), numberOf('-g', name)]
    if (uid !== undefined && gid !== undefined) return { uid, gid }
  }
  throw new Error(
    `PostgreSQL refuses to run as root, and there is no user ${names.join(' or ')}. Run this command as another user.`,
  )
}

function numberOf(option: '-u' | '-g', name: string): number | undefined {
  const { status, stdout } = spawnSync('id', [option, name], { encoding: 'utf8' })
  return status === 0 ? Number(stdout) : undefined
}
