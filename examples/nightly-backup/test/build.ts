import { execFileSync } from 'node:child_process'
import { readdirSync, statSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const folder = fileURLToPath(new URL('..', import.meta.url))

/** Builds this example before its tests if a source file is newer than the build, so that no test runs an outdated build. */
export function setup(): void {
  if (isUpToDate()) return
  const manifest = createRequire(import.meta.url).resolve('typescript/package.json')
  const compiler = join(dirname(manifest), 'bin', 'tsc')
  execFileSync(process.execPath, [compiler, '-p', 'tsconfig.build.json'], { cwd: folder, stdio: 'inherit' })
}

/** Returns whether every source file has a built file that is newer. */
function isUpToDate(): boolean {
  const sources = readdirSync(join(folder, 'src'), { recursive: true, encoding: 'utf8' })
  return sources
    .filter((path) => path.endsWith('.ts'))
    .every((path) => {
      const built = statSync(join(folder, 'dist', path.replace(/\.ts$/, '.js')), { throwIfNoEntry: false })
      return built !== undefined && built.mtimeMs > statSync(join(folder, 'src', path)).mtimeMs
    })
}
