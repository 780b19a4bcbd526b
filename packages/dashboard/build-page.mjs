// Builds the files that browsers load: one script, one style sheet, one icon. Writes them into a JavaScript module, so that any
// bundler of the server includes them.
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

const files = [
  ...outputFiles.map(({ path, contents }) =>
    path.endsWith('.js') ? file('script', 'js', contents) : file('style', 'css', contents),
  ),
  file('icon', 'svg', readFileSync(new URL('icon.svg', source))),
]
writeFileSync(new URL('files.js', folder), `export const pageFiles = ${JSON.stringify(files)}\n`)
writeFileSync(
  new URL('files.d.ts', folder),
  'export declare const pageFiles: readonly { readonly kind: string; readonly name: string; readonly packed: string }[]\n',
)
// Put Preact's license into `third-party.txt`. If that file had a name like `LICENSE`, pnpm would leave this package's own
// license out of the package.
const license = readFileSync(new URL('./node_modules/preact/LICENSE', import.meta.url), 'utf8')
writeFileSync(new URL('third-party.txt', folder), `The page contains Preact, https://preactjs.com:\n\n${license}`)

/**
 * Returns a file of the page. Its name contains a digest of the contents. `packed` is the gzip-compressed contents in
 * base64.
 * @param {string} kind @param {string} ending @param {Uint8Array} contents
 */
function file(kind, ending, contents) {
  const name = `page-${createHash('sha256').update(contents).digest('hex').slice(0, 12)}.${ending}`
  return { kind, name, packed: gzipSync(contents, { level: 9 }).toString('base64') }
}
