import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { check, complaint } from '../runner/outcome.mjs'
import { workspacePackages } from '../runner/packages.mjs'
import { root } from '../runner/repository.mjs'
import { capture } from '../runner/run-process.mjs'

const compiler = fileURLToPath(new URL('./compile-with-oldest.mjs', import.meta.url))

/**
 * Checks that the published declarations compile with the oldest supported TypeScript, and with a module resolution
 * that does not read `exports`. The compiler also checks the declarations themselves, although most projects turn this
 * check off.
 */
export const oldestTypescript = check('declarations under the oldest TypeScript', async () => {
  // Creates a folder in which TypeScript finds every package, as in the project of a user.
  const folder = mkdtempSync(join(root, 'packages', 'scenarios', 'node_modules', 'oldest-typescript-'))
  try {
    const imports = entryPoints().map((entryPoint, index) => `export * as _${index} from '${entryPoint}'\n`)
    const file = join(folder, 'all.ts')
    writeFileSync(file, imports.join(''))
    return complaint(await capture(process.execPath, [compiler, file], { cwd: folder }))
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
})

/** Packages to leave out, because their framework itself requires a newer TypeScript. */
const ofNewerFrameworks = ['@jobistemer/fastify']

/** Returns all entry points of the published packages. */
function entryPoints() {
  return workspacePackages()
    .filter(({ publishable, name }) => publishable && !ofNewerFrameworks.includes(name))
    .flatMap(({ name, manifest }) => Object.keys(manifest.exports).map((path) => `${name}${path.slice(1)}`))
}
