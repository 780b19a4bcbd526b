import { CliError } from '../cli-error.ts'
import type { Command, Context } from '../command.ts'
import { completionScripts } from '../completion-scripts.ts'

/** `jobistemer completion`. */
export const completion: Command = {
  description: 'Prints the completion script of a shell: of commands, options, and names of jobs.',
  arguments: '<shell>',
  examples: [
    ['completion bash > ~/.local/share/bash-completion/completions/jobistemer', 'bash'],
    ['completion zsh > ~/.zfunc/_jobistemer', 'zsh'],
    ['completion fish > ~/.config/fish/completions/jobistemer.fish', 'fish'],
  ],
  readsNoConfig: true,
  async run({ out, io, commands }: Context, [shell = '']) {
    const script = await completionScripts(shell, commands)
    if (script === null) {
      throw new CliError({
        code: 'USAGE',
        message: `There is no completion for ${JSON.stringify(shell)}.`,
        field: 'SHELL',
        remedy: 'Give bash, zsh or fish.',
      })
    }
    if (out.isJson) return out.json({ shell, script })
    io.stdout.write(script)
  },
}
