import type { Command, ListedCommand } from './command.ts'
import { globalOptions } from './global-options.ts'

interface CompletedCommand {
  readonly name: string
  readonly summary: string
  readonly options: readonly { readonly name: string; readonly description: string }[]
  /** `true` if the first argument of the command is the name of a job. */
  readonly takesJob: boolean
}

/** Returns the completion script of a shell, or `null` for an unknown shell. */
export async function completionScripts(shell: string, commands: readonly ListedCommand[]): Promise<string | null> {
  const write = { bash: bashScript, zsh: zshScript, fish: fishScript }[shell]
  return write === undefined ? null : write(await Promise.all(commands.map(completed)))
}

async function completed({ name, summary, load }: ListedCommand): Promise<CompletedCommand> {
  const command: Command = await load()
  const options = [...(command.options ?? []), ...globalOptions].map(({ flags, description }) => ({
    name: /--[\w-]+/.exec(flags)?.[0] as string,
    description,
  }))
  return { name, summary, options, takesJob: /<name|\[name/.test(command.arguments ?? '') }
}

/**
 * Shell command that prints all job names, within 2 s and without error messages. `--no-config`: pressing TAB must not run a
 * configuration file, which is a program.
 */
const jobNames = 'jobistemer jobs --names --no-config --timeout 2s 2>/dev/null'

function bashScript(commands: readonly CompletedCommand[]): string {
  const cases = commands.map(({ name, options, takesJob }) => {
    const words = options.map((option) => option.name).join(' ')
    return `    ${name}) options='${words}'; jobs=${takesJob ? '1' : ''} ;;`
  })
  return `# bash completion of jobistemer
_jobistemer() {
  local word="\${COMP_WORDS[COMP_CWORD]}" command='' options='' jobs='' ended='' each quoted
  for each in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case "$each" in -*) ;; *) command="$each"; break ;; esac
  done
  for each in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    if [[ "$each" == -- ]]; then ended=1; fi
  done
  COMPREPLY=()
  case "$command" in
    '') COMPREPLY=($(compgen -W '${commands.map(({ name }) => name).join(' ')}' -- "$word")); return ;;
${cases.join('\n')}
  esac
  if [[ -z "$ended" && "$word" == -* ]]; then COMPREPLY=($(compgen -W "$options" -- "$word")); return; fi
  if [[ -n "$jobs" ]]; then
    # Quoted, and not by compgen -W: that would run what a name may hold.
    while IFS= read -r each; do
      if [[ "$each" != "$word"* ]]; then continue; fi
      printf -v quoted %q "$each"
      # Behind --, a name is no option.
      if [[ -z "$ended" && "$each" == -* ]]; then quoted="-- $quoted"; fi
      COMPREPLY+=("$quoted")
    done < <(${jobNames})
  fi
}
complete -o default -F _jobistemer jobistemer
`
}

function zshScript(commands: readonly CompletedCommand[]): string {
  const cases = commands.map(({ name, options, takesJob }) => {
    const words = options.map((option) => zshQuoted(`${option.name}[`, option.description, ']')).join(' ')
    return `    ${name}) _arguments ${words} '*:${takesJob ? 'job:_jobistemer_jobs' : 'file:_files'}' ;;`
  })
  return `#compdef jobistemer
_jobistemer_jobs() {
  local -a names dashed
  names=("\${(@f)$(${jobNames})}")
  # Behind --, a name is no option.
  if (( ! \${words[(I)--]} )); then
    dashed=("\${(@M)names:#-*}")
    names=("\${(@)names:#-*}")
    (( $#dashed )) && compadd -Q -- "\${(@)\${(@q)dashed}/#/-- }"
  fi
  compadd -a names
}
_jobistemer() {
  local -a commands=(
${commands.map(({ name, summary }) => `    ${zshQuoted(`${name}:`, summary)}`).join('\n')}
  )
  if (( CURRENT == 2 )); then _describe command commands; return; fi
  local command="$words[2]"
  shift words; (( CURRENT-- ))
  case "$command" in
${cases.join('\n')}
  esac
}
# The file is either one of fpath, and is called as the function at its first use; or it is sourced.
if [[ "$funcstack[1]" == _jobistemer ]]; then _jobistemer "$@"; else compdef _jobistemer jobistemer; fi
`
}

/** Returns a quoted argument for `_arguments` of zsh. Escapes brackets, because a bracket ends a description. */
function zshQuoted(before: string, description: string, after = ''): string {
  return `'${before}${description.replace(/[[\]\\]/g, '\\$&').replaceAll("'", `'\\''`)}${after}'`
}

function fishScript(commands: readonly CompletedCommand[]): string {
  const lines = commands.flatMap(({ name, summary, options, takesJob }) => {
    const inside = `complete -c jobistemer -n '__fish_seen_subcommand_from ${name}'`
    return [
      `complete -c jobistemer -n __fish_use_subcommand -f -a ${name} -d ${fishQuoted(summary)}`,
      ...options.map((option) => `${inside} -l ${option.name.slice(2)} -d ${fishQuoted(option.description)}`),
      // After `--`, the program takes a word that begins with `-` as a job name and not as an option. So the script
      // completes such job names only after `--`.
      ...(takesJob
        ? [
            `${inside} -n 'not contains -- -- (commandline -opc)' -f -a "(${jobNames} | string match -v -- '-*')"`,
            `${inside} -n 'contains -- -- (commandline -opc)' -f -a '(${jobNames})'`,
          ]
        : []),
    ]
  })
  return `# fish completion of jobistemer\n${lines.join('\n')}\n`
}

function fishQuoted(description: string): string {
  return `'${description.replace(/['\\]/g, '\\$&')}'`
}
