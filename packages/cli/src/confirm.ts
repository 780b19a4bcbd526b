import { CliError } from './cli-error.ts'
import type { CommandOption, Context } from './command.ts'
import { exitCodes } from './exit-codes.ts'
import { type Part, render } from './output/rendered.ts'

/** Options of commands that ask for a confirmation. */
export const confirmOptions: readonly CommandOption[] = [
  { flags: '-y, --yes', description: 'do not ask' },
  { flags: '--dry-run', description: 'only say what would be done' },
]

/**
 * Asks the question on a terminal. Without a terminal, the user must give `--yes`.
 * @param preview the option or command that shows the effect of the command and changes nothing
 * @throws CliError unless the answer is yes
 */
export async function confirm(
  context: Context,
  question: Part,
  isConfirmed: boolean | undefined,
  preview = '--dry-run',
): Promise<void> {
  if (isConfirmed === true) return
  const { stdin, stderr } = context.io
  if (stdin.isTTY !== true || stderr.isTTY !== true || context.out.isJson) {
    throw new CliError({
      code: 'NOT_CONFIRMED',
      message: `Nothing was done: this command needs a confirmation (${render(question)})`,
      field: '--yes',
      remedy: `Give --yes to confirm, or see with ${preview} what the command would do.`,
    })
  }
  stderr.write(`${render(question)} [y/N] `)
  const answer = await lineOf(context)
  if (/^y(es)?$/i.test(answer.trim())) return
  throw new CliError({ code: 'DECLINED', message: 'Nothing was done.', exitCode: exitCodes.no })
}

async function lineOf({ io: { stdin, stderr }, signal }: Context): Promise<string> {
  const lines = stdin[Symbol.asyncIterator]()
  const interrupted = new Promise<never>((_, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason), { once: true })
  })
  try {
    const { value, done } = await Promise.race([lines.next(), interrupted])
    return done === true ? '' : Buffer.from(value as string).toString('utf8')
  } finally {
    if (signal.aborted) stderr.write('\n')
    // Closes standard input, because an open standard input keeps the process alive.
    stdin.destroy?.()
  }
}
