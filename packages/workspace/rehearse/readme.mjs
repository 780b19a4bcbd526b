import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { root } from '../runner/repository.mjs'
import { Child } from './child.mjs'

/** @import { NodeRelease } from './managers.mjs' */

/**
 * Runs the first program of the README with one slot per second, and kills the program during its task `upload`. Starts
 * the program again, and checks that the second process takes over the interrupted run.
 * @param {{ project: string, node: NodeRelease }} options
 */
export async function runReadme({ project, node }) {
  const [, program] = /```js\n([\s\S]*?)```/.exec(readFileSync(join(root, 'README.md'), 'utf8')) ?? []
  const nightly = `'0 2 * * *'`
  if (program === undefined || !program.includes(nightly))
    throw new Error('The first program of the README has no nightly schedule.')
  const own = `
const exportRows = async () => ['a row']
async function upload(rows) {
  process.send(rows)
  if (process.argv[2] === 'hang') await new Promise(() => undefined)
}
`
  writeFileSync(join(project, 'readme.mjs'), program.replace(nightly, `'* * * * * *'`) + own)
  const first = new Child(node.program, ['readme.mjs', 'hang'], { cwd: project })
  await first.until('upload', (messages) => messages.length > 0)
  await first.end('SIGKILL')
  const second = new Child(node.program, ['readme.mjs'], { cwd: project })
  try {
    await second.until('upload after the takeover, and after that of a next slot', (messages) => messages.length > 1)
  } finally {
    await second.end('SIGTERM')
  }
}
