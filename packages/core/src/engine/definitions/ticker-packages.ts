import { createRequire } from 'node:module'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'

/** The schedule types of this project, with the package that registers each when it is imported. */
const packages: Readonly<Record<string, string>> = {
  cron: '@jobistemer/ticker-cron',
  iso8601: '@jobistemer/ticker-iso8601',
  once: '@jobistemer/ticker-once',
}

/** The package of a schedule type of this project; `undefined` for another type. */
export function tickerPackageOf(type: string): string | undefined {
  return Object.hasOwn(packages, type) ? packages[type] : undefined
}

/**
 * Imports a ticker's package: from beside this one, or else from where the program or the present directory has it. A
 * package that keeps its dependencies to itself is seen by the program, and not from here. Resolves to `null`, or to why
 * none could be imported.
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

// What it is, is known at run time alone: bundlers are to leave it as it stands.
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
