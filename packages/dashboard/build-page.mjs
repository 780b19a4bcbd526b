// Builds the page that browsers load: one script, one style sheet, one icon, each with a hash in its name and packed
// beside it. Their names are in manifest.json.
import { createHash } from 'node:crypto'
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { gzipSync } from 'node:zlib'
import { build } from 'esbuild'

const folder = new URL('./dist/page/', import.meta.url)
const source = new URL('./src/page/', import.meta.url)
rmSync(folder, { recursive: true, force: true })
mkdirSync(folder, { recursive: true })

const { outputFiles } = await build({
  entryPoints: [{ in: new URL('main.tsx', source).pathname, out: 'page' }],
  outdir: folder.pathname,
  write: false,
  bundle: true,
  minify: true,
  format: 'esm',
  target: ['chrome123', 'firefox120', 'safari17.5'],
  jsx: 'automatic',
  jsxImportSource: 'preact',
  legalComments: 'none',
})

const manifest = {}
for (const { path, contents } of outputFiles) {
  if (path.endsWith('.js')) manifest.script = write('js', contents)
  else manifest.style = write('css', contents)
}
manifest.icon = write('svg', readFileSync(new URL('icon.svg', source)))
writeFileSync(new URL('manifest.json', folder), JSON.stringify(manifest))
const license = readFileSync(new URL('./node_modules/preact/LICENSE', import.meta.url), 'utf8')
writeFileSync(new URL('LICENSES.txt', folder), `The page contains Preact, https://preactjs.com:\n\n${license}`)

/** @param {string} ending @param {Uint8Array} contents */
function write(ending, contents) {
  const name = `page-${createHash('sha256').update(contents).digest('hex').slice(0, 12)}.${ending}`
  writeFileSync(new URL(name, folder), contents)
  writeFileSync(new URL(`${name}.gz`, folder), gzipSync(contents, { level: 9 }))
  return name
}
