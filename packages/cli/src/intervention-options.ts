import { userInfo } from 'node:os'
import type { CommandOption, Context } from './command.ts'
import { readText } from './values.ts'

/** The options of commands that change jobs or runs. */
export const interventionOptions: readonly CommandOption[] = [
  { flags: '--reason <text>', description: 'why; kept in the record', parse: readText('--reason') },
  {
    flags: '--actor <name>',
    description: 'who; kept in the record (default: the user of this machine)',
    parse: readText('--actor'),
  },
]

/** The user of this machine. */
export function actorOf({ io }: Context): string {
  try {
    return io.env.USER || io.env.LOGNAME || userInfo().username
  } catch {
    // A user id without a name, as in containers.
    return 'cli'
  }
}
