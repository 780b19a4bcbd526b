import { existsSync } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import { CliError } from '../cli-error.ts'
import type { CliConfig } from '../config.ts'
import type { Io } from '../io.ts'
import { shellWord } from '../shell-word.ts'
import { importModule } from './import-module.ts'
import { TrustedFolders } from './trusted-folders.ts'

const fileNames = ['ts', 'mts', 'js', 'mjs', 'json'].map((ending) => `jobistemer.config.${ending}`)
const memberNames = ['storage', 'prefix', 'scheduleTypes', 'defaults', 'owner', 'timezone']

/** A configuration, and the folder to which the paths in the configuration are relative. */
export interface LoadedConfig {
  readonly config: CliConfig
  readonly folder: string
}

/**
 * Loads the configuration from the file of `--config`, or else from the working folder. Without a configuration file, the
 * result is empty.
 * @param asked the file of `--config`; `undefined`: search the working folder; `false`: load no configuration
 * @throws CliError also if the user has not trusted a working folder with a configuration file
 */
export async function loadConfig(
  { cwd, env }: Pick<Io, 'cwd' | 'env'>,
  asked: string | false | undefined,
): Promise<LoadedConfig> {
  if (asked === false) return { config: {}, folder: cwd }
  const file = asked === undefined ? fileNames.map((name) => join(cwd, name)).find(existsSync) : resolve(cwd, asked)
  if (file === undefined) return { config: {}, folder: cwd }
  if (!existsSync(file)) {
    throw new CliError({
      code: 'CONFIG_MISSING',
      message: `There is no file ${file}.`,
      field: '--config',
      remedy: `Give a file, or leave the option out: then one of ${fileNames.join(', ')} in the working folder is read.`,
    })
  }
  if (asked === undefined && !new TrustedFolders(env).has(cwd)) {
    throw new CliError({
      code: 'CONFIG_UNTRUSTED',
      message: `${file} was not loaded: you have not trusted its folder yet.`,
      field: '--config',
      remedy: `Read the file, which is a program. Then run jobistemer trust, or name it: --config ${shellWord(basename(file))}. --no-config leaves it out.`,
    })
  }
  const { default: config } = await importModule(file, '--config')
  return { config: readConfig(config, file), folder: dirname(file) }
}

function readConfig(config: unknown, file: string): CliConfig {
  if (Object.prototype.toString.call(config) !== '[object Object]') {
    throw invalid(file, 'has no object as its default export', 'Write export default { storage: "sqlite:jobs.db" }.')
  }
  for (const [name, value] of Object.entries(config as object)) {
    if (!memberNames.includes(name)) {
      throw invalid(file, `has an unknown member ${JSON.stringify(name)}`, `The members are ${memberNames.join(', ')}.`)
    }
    const wanted = name === 'prefix' || name === 'owner' || name === 'timezone' ? 'string' : undefined
    if (value !== undefined && wanted !== undefined && typeof value !== wanted) {
      throw invalid(file, `has a member ${name} that is no text`, 'Give a text, or leave it out.')
    }
  }
  const { storage } = config as CliConfig
  if (storage !== undefined && !['string', 'object', 'function'].includes(typeof storage)) {
    throw invalid(file, 'has a member storage that is none', 'Give a text such as "sqlite:jobs.db", or a storage.')
  }
  return config as CliConfig
}

function invalid(file: string, problem: string, remedy: string): CliError {
  return new CliError({ code: 'INVALID_CONFIG', message: `${file} ${problem}.`, field: '--config', remedy })
}
