import { createRequire } from 'node:module'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { check, complaint } from '../runner/outcome.mjs'
import { workspacePackages } from '../runner/packages.mjs'
import { root } from '../runner/repository.mjs'
import { capture } from '../runner/run-process.mjs'

/**
 * What users import compiles with the oldest TypeScript that is supported, in the oldest way to look for it, which does
 * not read `exports`. Unlike most projects, this one looks into the declarations too.
 */
export const oldestTypescript = check('declarations under the oldest TypeScript', async () => {
  // A folder in which every package is found, as in the project of a user.
  const folder = mkdtempSync(join(root, 'packages', 'scenarios', 'node_modules', 'oldest-typescript-'))
  try {
    const imports = entryPoints().map((entryPoint, index) => `export * as _${index} from '${entryPoint}'\n`)
    writeFileSync(join(folder, 'all.ts'), imports.join(''))
    const compilerOptions = {
      module: 'commonjs',
      moduleResolution: 'node10',
      target: 'es2022',
      types: ['node'],
      strict: true,
      noEmit: true,
      skipLibCheck: false,
    }
    writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, include: ['*'] }))
    const compiler = createRequire(import.meta.url).resolve('typescript-oldest/lib/tsc.js')
    return complaint(await capture(process.execPath, [compiler, '-p', folder], { cwd: folder }))
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
})

/** Their declarations name those of a framework that itself asks for a newer TypeScript. */
const ofNewerFrameworks = ['@jobistemer/fastify']

/** Everything that can be imported of what is published. */
function entryPoints() {
  return workspacePackages()
    .filter(({ publishable, name }) => publishable && !ofNewerFrameworks.includes(name))
    .flatMap(({ name, manifest }) => Object.keys(manifest.exports).map((path) => `${name}${path.slice(1)}`))
}
