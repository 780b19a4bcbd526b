import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import * as core from '@jobistemer/core'
import * as testing from '@jobistemer/core/testing'
import * as memory from '@jobistemer/storage-memory'
import * as cron from '@jobistemer/ticker-cron'
import { expect, it } from 'vitest'
import { runReadmeExamples } from '../../workspace/readme-examples.ts'

const document = new URL('../../core/docs/api.md', import.meta.url)
const text = readFileSync(document, 'utf8')
const exported = ['index.ts', 'testing/index.ts'].flatMap((file) =>
  exportsOf(readFileSync(new URL(`../../core/src/${file}`, import.meta.url), 'utf8')),
)

it("the examples of core's reference give what it says", async () => {
  const run = await runReadmeExamples(document, {
    '@jobistemer/core': core,
    '@jobistemer/core/testing': testing,
    '@jobistemer/storage-memory': memory,
    '@jobistemer/ticker-cron': cron,
  })
  expect(run.wrong).toEqual([])
  expect(run.compared).toBeGreaterThan(60)
})

it('the exports that are looked for are those of the modules', () => {
  const values = exported.filter((one) => !one.isType).map((one) => one.name)
  expect(values.sort()).toEqual([...Object.keys(core), ...Object.keys(testing)].sort())
})

it('every exported value has a section with an example', () => {
  const sections = new Map(text.split(/^### /m).map((section) => [section.split('\n', 1)[0], section]))
  const missing = exported.filter((one) => !one.isType && !sections.get(one.name)?.includes('```ts'))
  expect(missing).toEqual([])
})

it('every exported type is named', () => {
  expect(exported.filter((one) => one.isType && !text.includes(`\`${one.name}\``))).toEqual([])
})

it('the examples compile', () => {
  const root = fileURLToPath(new URL('..', import.meta.url))
  const folder = mkdtempSync(join(root, 'node_modules', 'core-api-'))
  try {
    const blocks = [...text.matchAll(/^```ts\n(.*?)^```$/gms)].map((block) => block[1])
    writeFileSync(join(folder, 'examples.ts'), blocks.join('\n'))
    const options = { include: ['examples.ts'], compilerOptions: { noImplicitAny: false, noImplicitOverride: false } }
    writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ ...options, extends: join(root, 'tsconfig.json') }))
    expect(compile(folder)).toBe('')
  } finally {
    rmSync(folder, { recursive: true })
  }
})

interface Exported {
  readonly name: string
  readonly isType: boolean
}

function exportsOf(source: string): Exported[] {
  return [...source.matchAll(/^export (type )?\{([^}]*)\}/gm)].flatMap(([, type, names = '']) =>
    names
      .split(',')
      .map((name) => name.trim())
      .filter((name) => name !== '')
      .map((name) => ({ name: name.replace(/^type /, ''), isType: type !== undefined || name.startsWith('type ') })),
  )
}

function compile(folder: string): string {
  const compiler = fileURLToPath(new URL('../../../node_modules/typescript/bin/tsc', import.meta.url))
  try {
    execFileSync(process.execPath, [compiler, '--noEmit', '-p', folder], { encoding: 'utf8' })
    return ''
  } catch (error) {
    return (error as { stdout: string }).stdout
  }
}
