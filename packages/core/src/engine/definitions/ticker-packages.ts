import { createRequire } from 'node:module'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'

/** The schedule types of this project, each with the package that registers the type on import. */
const packages: Readonly<Record<string, string>> = {
  cron: '@jobistemer/ticker-cron',
  iso8601: '@jobistemer/ticker-iso8601',
  once: '@jobistemer/ticker-once',
}

/** Returns the package of a schedule type of this project, or `undefined` for another type. */
export function tickerPackageOf(type: string): string | undefined {
  return Object.hasOwn(packages, type) ? packages[type] : undefined
}

/**
 * Imports a ticker's package. Resolves it from this module first, then from the program's main file, then from the working
 * directory. With isolated dependencies, this module cannot resolve a package of the program. Resolves to `null`, or to the
 * error if no import succeeded.
 */
export async function importTicker(specifier: string): Promise<unknown> {
  try {
    await importModule(specifier)
    return null
  } catch (error) {
    for (const from of [process.argv[1], join(process.cwd(), 'package.json')]) {
      const file = from === undefined ? undefined : resolveFrom(from, specifier)
      if (file === undefined) continue
      try {
        await importModule(pathToFileURL(file).href)
        return null
      } catch (other) {
        return other
      }
    }
    return error
  }
}

// The specifier is known only at run time, so bundlers must not resolve it.
function importModule(specifier: string): Promise<unknown> {
  return import(/* webpackIgnore: true */ /* @vite-ignore */ specifier)
}

function resolveFrom(file: string, specifier: string): string | undefined {
  try {
    return createRequire(pathToFileURL(file)).resolve(specifier)
  } catch {
    return undefined
  }
}
