import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { isThorough } from '../../workspace/test-effort.ts'

const folder = fileURLToPath(new URL('..', import.meta.url))

/** A file of the built site. */
export interface BuiltFile {
  /** The path of the file within the site, with a leading slash: `/concepts/crash.html`. */
  readonly path: string
  readonly text: string
}

/** Builds the site with VitePress. `npm test` builds it without colors in code, `npm run test:extra` as it is published. */
export function buildSite(): void {
  const vitepress = fileURLToPath(new URL('bin/vitepress.js', import.meta.resolve('vitepress/package.json')))
  // Vitest sets NODE_ENV to `test`. With that value, VitePress would build an empty search index.
  const env = { ...process.env, NODE_ENV: 'production', ...(!isThorough && { SITE_DRAFT: '1' }) }
  execFileSync(process.execPath, [vitepress, 'build'], { cwd: folder, env, stdio: 'pipe' })
}

/** Reads all files of the built site whose names end with `ending`. */
export function builtFiles(ending: string): readonly BuiltFile[] {
  return readdirSync(`${folder}dist`, { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith(ending))
    .map((path) => ({ path: `/${path.replaceAll('\\', '/')}`, text: readFileSync(`${folder}dist/${path}`, 'utf8') }))
}
