import { Command as Commander, Option } from 'commander'
import { readFileSync } from 'node:fs'
import type { Command, CommandOption } from './command.ts'
import { commandList } from './command-list.ts'
import { exitCodeMeanings } from './exit-codes.ts'
import { type GlobalOptions, globalOptions } from './global-options.ts'

/** Calls a command with its parsed arguments and options. */
export type Runner = (command: Command, args: readonly (string | undefined)[], options: GlobalOptions) => Promise<void>

/**
 * Builds the parser of the command line, which calls `runner` with the parsed command.
 * @param load the commands to load completely; other commands have only a name and a summary
 */
export async function buildProgram(load: ReadonlySet<string>, runner: Runner): Promise<Commander> {
  const program = new Commander('jobistemer')
    .description('Look at jobs and runs of Jobistemer, step in, and find out what is wrong.')
    .usage('COMMAND [options]')
    .version(packageVersion(), '--version', 'print the version')
    .helpOption('-h, --help', 'print this help')
    .helpCommand('help [command]', 'print the help of a command')
    .configureHelp({
      showGlobalOptions: true,
      optionTerm: ({ flags }) => flags,
      optionDescription: ({ description }) => description,
    })
    .showSuggestionAfterError()
  for (const option of globalOptions) program.addOption(optionOf(option))
  for (const listed of commandList) {
    const command = program.command(listed.name).summary(listed.summary).helpGroup(listed.group)
    if (load.has(listed.name)) complete(command, listed.name, await listed.load(), runner)
    else command.description(listed.summary)
  }
  program.addHelpText('after', `\nExit codes:\n${exitCodeMeanings.map(exitLine).join('\n')}`)
  return program
}

function complete(commander: Commander, name: string, command: Command, runner: Runner): void {
  commander.description(command.description)
  if (command.arguments !== undefined) commander.arguments(command.arguments)
  for (const option of command.options ?? []) commander.addOption(optionOf(option))
  const examples = command.examples.flatMap(([line, what]) => [`  $ jobistemer ${line}`, `      ${what}`])
  const no = command.exitsWithNo === undefined ? '' : `\n\nExit code 1: ${command.exitsWithNo}.`
  commander.addHelpText('after', `\nExamples:\n${examples.join('\n')}${no}${wordsOf(command)}`)
  commander.action(async () => {
    await runner(command, commander.processedArgs, commander.optsWithGlobals())
  })
  commander.helpOption('-h, --help', `print the help of ${name}`)
}

function wordsOf({ words }: Command): string {
  if (words === undefined) return ''
  const meanings = Object.entries(words.meanings)
  const width = meanings.reduce((most, [word]) => Math.max(most, word.length), 0)
  return `\n\n${words.title}:\n${meanings.map(([word, meaning]) => `  ${word.padEnd(width)}  ${meaning}`).join('\n')}`
}

function optionOf({ flags, description, parse, choices, ...others }: CommandOption): Option {
  const option = new Option(flags, description)
  if (choices !== undefined) option.choices(choices)
  if (parse !== undefined) option.argParser(parse)
  if ('default' in others) option.default(others.default)
  return option
}

function exitLine([code, meaning]: readonly [number, string]): string {
  return `  ${String(code).padEnd(4)} ${meaning}`
}

function packageVersion(): string {
  const text = readFileSync(new URL('../package.json', import.meta.url), 'utf8')
  return (JSON.parse(text) as { readonly version: string }).version
}
