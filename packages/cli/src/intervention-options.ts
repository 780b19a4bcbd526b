import { userInfo } from 'node:os'
import type { CommandOption, Context } from './command.ts'
import { readText } from './values.ts'

/** The options of commands that change jobs or runs, such as `--reason`. */
export const interventionOptions: readonly CommandOption[] = [
  { flags: '--reason <text>', description: 'why; kept in the record', parse: readText('--reason') },
  {
    flags: '--actor <name>',
    description: 'who; kept in the record (default: the user of this machine)',
    parse: readText('--actor'),
  },
]

/** Returns the name of this machine's user, for the audit trail of a change. */
export function actorOf({ io }: Context): string {
  try {
    return io.env.USER || io.env.LOGNAME || userInfo().username
  } catch {
    // In a container, the user id may have no user name. `userInfo` then throws an error.
    return 'cli'
  }
}
