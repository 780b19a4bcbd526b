import { createRequire } from 'node:module'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { CliError } from '../cli-error.ts'

/**
 * Imports a package as the user's project has it, or else as this program has it.
 * @param install what `npm install` has to be given.
 * @param field what asks for it.
 * @throws CliError with the line to install it
 */
export async function importPackage<T>(
  specifier: string,
  {
    cwd,
    install = specifier,
    field = '--storage',
  }: { readonly cwd: string; readonly install?: string; readonly field?: string },
): Promise<T> {
  const url =
    resolveFrom(pathToFileURL(join(cwd, 'package.json')).href, specifier) ?? resolveFrom(import.meta.url, specifier)
  if (url === undefined) {
    throw new CliError({
      code: 'PACKAGE_MISSING',
      message: `The package ${specifier} is not installed.`,
      field,
      remedy: `Run: npm install ${install}`,
    })
  }
  try {
    return (await import(url)) as T
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message.split('\n')[0] : String(cause)
    throw new CliError({
      code: 'PACKAGE_BROKEN',
      message: `The package ${specifier} cannot be loaded: ${reason}`,
      field,
      remedy: `Run: npm install ${install}`,
      cause,
    })
  }
}

function resolveFrom(from: string, specifier: string): string | undefined {
  try {
    return pathToFileURL(createRequire(from).resolve(specifier)).href
  } catch {
    // Not installed there.
    return undefined
  }
}
