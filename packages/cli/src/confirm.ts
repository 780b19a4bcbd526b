import { CliError } from './cli-error.ts'
import type { CommandOption, Context } from './command.ts'
import { exitCodes } from './exit-codes.ts'
import { type Part, render } from './output/rendered.ts'

/** For commands that ask before they do much. */
export const confirmOptions: readonly CommandOption[] = [
  { flags: '-y, --yes', description: 'do not ask' },
  { flags: '--dry-run', description: 'only say what would be done' },
]

/** Asks on a terminal, and needs --yes elsewhere. @throws CliError unless the answer is yes */
export async function confirm(context: Context, question: Part, isConfirmed: boolean | undefined): Promise<void> {
  if (isConfirmed === true) return
  const { stdin, stderr } = context.io
  if (stdin.isTTY !== true || stderr.isTTY !== true || context.out.isJson) {
    throw new CliError({
      code: 'NOT_CONFIRMED',
      message: `Nothing was done: it was not confirmed that this is meant (${render(question)})`,
      field: '--yes',
      remedy: 'Give --yes where nobody can be asked, or look with --dry-run first.',
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
    // The process could not end while it is read from.
    stdin.destroy?.()
  }
}
