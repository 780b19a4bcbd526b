import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
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

/** Imports what a package depends on: `specifier` as `owner` has it. */
export async function importDependency<T>(owner: string, specifier: string, cwd: string): Promise<T> {
  const found = resolveFrom(pathToFileURL(join(cwd, 'package.json')).href, owner) ?? resolveFrom(import.meta.url, owner)
  return await importPackage<T>(specifier, { cwd: found === undefined ? cwd : dirname(fileURLToPath(found)) })
}

function resolveFrom(from: string, specifier: string): string | undefined {
  try {
    return pathToFileURL(createRequire(from).resolve(specifier)).href
  } catch {
    // Not installed there.
    return undefined
  }
}
