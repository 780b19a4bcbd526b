import { cpSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'

const require = createRequire(import.meta.url)

/** Copies the given parts of better-sqlite3, and the packages that it needs, into a directory. Returns the path of the copy. */
export function copyDriver(directory: string, parts: readonly string[]): string {
  const modules = join(directory, 'node_modules')
  const ofSqlite = copyPackage('better-sqlite3', require, modules, parts)
  copyPackage('file-uri-to-path', copyPackage('bindings', ofSqlite, modules), modules)
  return join(modules, 'better-sqlite3')
}

/** Copies a package or some of its parts. Returns a `require` that resolves modules from the package. */
function copyPackage(name: string, from: NodeJS.Require, modules: string, parts?: readonly string[]): NodeJS.Require {
  const installed = dirname(from.resolve(`${name}/package.json`))
  for (const part of parts ?? ['.']) {
    cpSync(join(installed, part), join(modules, name, part), { recursive: true, dereference: true })
  }
  return createRequire(join(installed, 'package.json'))
}
