import { statSync } from 'node:fs'
import { resolve } from 'node:path'
import { CliError } from '../cli-error.ts'
import type { Command, Context } from '../command.ts'
import { text } from '../output/rendered.ts'
import { TrustedFolders } from '../storage/trusted-folders.ts'

interface Options {
  readonly undo?: true
}

/** `jobistemer trust`. */
export const trust: Command = {
  description:
    'Trusts a folder: commands that are called in it then load its jobistemer.config file, which is a program. The default is the working folder.',
  arguments: '[folder]',
  options: [{ flags: '--undo', description: 'no longer trust the folder' }],
  examples: [
    ['trust', 'load the configuration of the working folder from now on'],
    ['trust --undo', 'no longer load it'],
  ],
  readsNoConfig: true,
  async run({ io, out }: Context, [given = '.']: readonly string[], { undo }: Options) {
    const folder = resolve(io.cwd, given)
    if (statSync(folder, { throwIfNoEntry: false })?.isDirectory() !== true) {
      throw new CliError({ code: 'USAGE', message: `There is no folder ${given}.`, field: 'FOLDER' })
    }
    const folders = new TrustedFolders(io.env)
    if (undo === true) folders.remove(folder)
    else folders.add(folder)
    if (out.isJson) return out.json({ folder, trusted: undo !== true })
    out.line(undo === true ? text`${folder} is no longer trusted.` : text`${folder} is trusted.`)
  },
}
