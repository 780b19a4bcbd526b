import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { CliError } from '../cli-error.ts'

/**
 * Imports a package from the user's project, or else from the dependencies of this program.
 * @param install the packages for `npm install` in the error message
 * @param field the option that needs the package
 * @throws CliError with the command line that installs the package
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

/** Imports the package `specifier` in the version that the package `owner` depends on. */
export async function importDependency<T>(owner: string, specifier: string, cwd: string): Promise<T> {
  const found = resolveFrom(pathToFileURL(join(cwd, 'package.json')).href, owner) ?? resolveFrom(import.meta.url, owner)
  return await importPackage<T>(specifier, { cwd: found === undefined ? cwd : dirname(fileURLToPath(found)) })
}

function resolveFrom(from: string, specifier: string): string | undefined {
  try {
    return pathToFileURL(createRequire(from).resolve(specifier)).href
  } catch {
    return undefined
  }
}
