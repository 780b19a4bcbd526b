import * as childProcess from 'node:child_process'
import { execFileSync } from 'node:child_process'
import { once as onceEmitted } from 'node:events'
import * as fs from 'node:fs'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import * as os from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import * as dynamodbClient from '@aws-sdk/client-dynamodb'
import * as cli from '@jobistemer/cli'
import * as core from '@jobistemer/core'
import * as dashboard from '@jobistemer/dashboard'
import * as jobistemerFastify from '@jobistemer/fastify'
import * as schedules from '@jobistemer/core/schedule'
import * as protocol from '@jobistemer/core/storage'
import * as testing from '@jobistemer/core/testing'
import * as prometheus from '@jobistemer/metrics-prometheus'
import * as nestjs from '@jobistemer/nestjs'
import * as nestjsTesting from '@jobistemer/nestjs/testing'
import * as openTelemetry from '@jobistemer/opentelemetry'
import * as conformance from '@jobistemer/storage-conformance'
import * as dynamodb from '@jobistemer/storage-dynamodb'
import * as memory from '@jobistemer/storage-memory'
import * as postgres from '@jobistemer/storage-postgres'
import * as redis from '@jobistemer/storage-redis'
import * as sqlite from '@jobistemer/storage-sqlite'
import * as cron from '@jobistemer/ticker-cron'
import * as iso8601 from '@jobistemer/ticker-iso8601'
import * as once from '@jobistemer/ticker-once'
import * as nestCommon from '@nestjs/common'
import * as nestCore from '@nestjs/core'
import * as nestTesting from '@nestjs/testing'
import * as openTelemetryApi from '@opentelemetry/api'
import * as contextAsyncHooks from '@opentelemetry/context-async-hooks'
import * as sdkMetrics from '@opentelemetry/sdk-metrics'
import * as sdkTraceBase from '@opentelemetry/sdk-trace-base'
import Database from 'better-sqlite3'
import * as fastify from 'fastify'
import * as pg from 'pg'
import * as promClient from 'prom-client'
import { describe, expect, it } from 'vitest'
import { runReadmeExamples } from '../../../workspace/readme-examples.ts'
import { entryPointsOf } from '../support/declarations.ts'

/** The modules that the examples of documents can import. `vitest` is a fake, which does not run the tests of an example. */
const modules = {
  '@aws-sdk/client-dynamodb': dynamodbClient,
  '@jobistemer/cli': cli,
  '@jobistemer/core': core,
  '@jobistemer/dashboard': dashboard,
  '@jobistemer/fastify': jobistemerFastify,
  '@jobistemer/core/schedule': schedules,
  '@jobistemer/core/storage': protocol,
  '@jobistemer/core/testing': testing,
  '@jobistemer/metrics-prometheus': prometheus,
  '@jobistemer/nestjs': nestjs,
  '@jobistemer/nestjs/testing': nestjsTesting,
  '@jobistemer/opentelemetry': openTelemetry,
  '@jobistemer/storage-conformance': conformance,
  '@jobistemer/storage-dynamodb': dynamodb,
  '@jobistemer/storage-memory': memory,
  '@jobistemer/storage-postgres': postgres,
  '@jobistemer/storage-redis': redis,
  '@jobistemer/storage-sqlite': sqlite,
  '@jobistemer/ticker-cron': cron,
  '@jobistemer/ticker-iso8601': iso8601,
  '@jobistemer/ticker-once': once,
  '@nestjs/common': nestCommon,
  '@nestjs/core': nestCore,
  '@nestjs/testing': nestTesting,
  '@opentelemetry/api': openTelemetryApi,
  '@opentelemetry/context-async-hooks': contextAsyncHooks,
  '@opentelemetry/sdk-metrics': sdkMetrics,
  '@opentelemetry/sdk-trace-base': sdkTraceBase,
  'better-sqlite3': { default: Database },
  fastify,
  'node:child_process': childProcess,
  'node:events': { once: onceEmitted },
  'node:fs': fs,
  'node:os': os,
  pg,
  'prom-client': promClient,
  './file-storage.js': { fileStorage: () => undefined },
  vitest: { describe: (_: string, body: () => void) => body(), it: () => undefined },
}

const packages = new URL('../../../', import.meta.url)

/**
 * The documents whose examples this test runs. The examples state their results in comments, which the test compares.
 * - `shows`: the entry points whose exports the document shows
 * - `compared`: the minimum number of compared results
 */
const documents: readonly { readonly file: string; readonly shows: readonly string[]; readonly compared: number }[] = [
  { file: 'cli/README.md', shows: ['@jobistemer/cli'], compared: 5 },
  { file: 'cli/docs/import.md', shows: [], compared: 1 },
  { file: 'core/README.md', shows: [], compared: 8 },
  { file: 'core/docs/api.md', shows: ['@jobistemer/core', '@jobistemer/core/testing'], compared: 48 },
  { file: 'core/docs/errors.md', shows: [], compared: 2 },
  { file: 'core/docs/before-production.md', shows: [], compared: 0 },
  { file: 'core/docs/failures.md', shows: [], compared: 3 },
  { file: 'core/docs/isolated-tasks.md', shows: [], compared: 0 },
  { file: 'core/docs/remove-or-rename.md', shows: [], compared: 2 },
  { file: 'core/docs/requests.md', shows: [], compared: 11 },
  { file: 'core/docs/running.md', shows: [], compared: 4 },
  { file: 'core/docs/schedule.md', shows: ['@jobistemer/core/schedule'], compared: 15 },
  { file: 'core/docs/storage.md', shows: ['@jobistemer/core/storage'], compared: 50 },
  { file: 'core/docs/testing.md', shows: [], compared: 3 },
  { file: 'dashboard/README.md', shows: ['@jobistemer/dashboard'], compared: 5 },
  { file: 'dashboard/docs/mounting.md', shows: [], compared: 4 },
  { file: 'fastify/README.md', shows: ['@jobistemer/fastify'], compared: 1 },
  { file: 'metrics-prometheus/README.md', shows: ['@jobistemer/metrics-prometheus'], compared: 4 },
  { file: 'nestjs/README.md', shows: ['@jobistemer/nestjs', '@jobistemer/nestjs/testing'], compared: 3 },
  { file: 'opentelemetry/README.md', shows: ['@jobistemer/opentelemetry'], compared: 5 },
  { file: 'storage-conformance/README.md', shows: ['@jobistemer/storage-conformance'], compared: 6 },
  // The tests of the conformance kit run the example of this document. So this test compares no results in this document.
  { file: 'storage-conformance/docs/write-your-own-adapter.md', shows: [], compared: 0 },
  { file: 'storage-dynamodb/README.md', shows: ['@jobistemer/storage-dynamodb'], compared: 4 },
  { file: 'storage-memory/README.md', shows: ['@jobistemer/storage-memory'], compared: 2 },
  { file: 'storage-postgres/README.md', shows: ['@jobistemer/storage-postgres'], compared: 3 },
  { file: 'storage-redis/README.md', shows: ['@jobistemer/storage-redis'], compared: 2 },
  { file: 'storage-sqlite/README.md', shows: ['@jobistemer/storage-sqlite'], compared: 5 },
  { file: 'ticker-cron/README.md', shows: ['@jobistemer/ticker-cron'], compared: 15 },
  { file: 'ticker-iso8601/README.md', shows: ['@jobistemer/ticker-iso8601'], compared: 8 },
  { file: 'ticker-once/README.md', shows: ['@jobistemer/ticker-once'], compared: 8 },
  ...sitePages(),
]

/**
 * Lists the pages of the documentation site. The test compares each result that their examples state in a comment (`// =>`
 * or `// throws`).
 */
function sitePages(): typeof documents {
  return readdirSync(new URL('site/docs/', packages), { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.md'))
    .map((path) => {
      const file = `site/docs/${path}`
      const stated = examplesOf(readFileSync(new URL(file, packages), 'utf8')).match(/ \/\/ (=>|throws) /g)
      return { file, shows: [], compared: stated?.length ?? 0 }
    })
}

describe.each(documents)('the document $file', ({ file, shows, compared }) => {
  const text = readFileSync(new URL(file, packages), 'utf8')
  const entryPoints = entryPointsOf(String(file.split('/', 1)[0])).filter(({ specifier }) => shows.includes(specifier))
  const exported = entryPoints.flatMap(({ exports }) => exports)

  it('contains only examples that produce the results that it states', async () => {
    const run = await runReadmeExamples(new URL(file, packages), modules)
    expect(run.wrong).toEqual([])
    expect(run.compared).toBeGreaterThanOrEqual(compared)
  })

  it('uses each value of the documented entry points in an example', () => {
    expect(entryPoints.map(({ specifier }) => specifier)).toEqual(shows)
    const examples = examplesOf(text)
    const missing = exported.filter(({ kind, name }) => kind === 'value' && !uses(examples, name))
    expect(missing.map(({ name }) => name)).toEqual([])
  })

  it('mentions each export of the documented entry points', () => {
    expect(exported.filter(({ name }) => !uses(text, name)).map(({ name }) => name)).toEqual([])
  })
})

it('the examples of all documents compile', () => {
  const root = fileURLToPath(new URL('../..', import.meta.url))
  const folder = mkdtempSync(join(root, 'node_modules', 'documents-'))
  try {
    const guide = readFileSync(new URL('storage-conformance/docs/write-your-own-adapter.md', packages), 'utf8')
    for (const [index, { file }] of documents.entries()) {
      const examples = examplesOf(readFileSync(new URL(file, packages), 'utf8'))
      // The compiler rejects some lines that throw at run time, so this test does not compile such lines.
      const lines = examples.split('\n').filter((line) => !/\/\/ throws [A-Z_]+$/.test(line))
      writeFileSync(join(folder, `${index}-${file.replaceAll('/', '-')}.ts`), `${lines.join('\n')}\nexport {}\n`)
    }
    // Each JavaScript example becomes a separate module. The example with an export gets the file name that the other
    // examples import.
    for (const [index, [, block = '']] of [...guide.matchAll(/^```js\n(.*?)^```$/gms)].entries()) {
      writeFileSync(join(folder, block.includes('\nexport ') ? 'file-storage.js' : `guide-${index}.js`), block)
    }
    const options = {
      include: ['*.ts', '*.js'],
      compilerOptions: {
        allowJs: true,
        checkJs: true,
        noImplicitAny: true,
        noImplicitOverride: false,
        noUnusedLocals: false,
      },
    }
    writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ ...options, extends: join(root, 'tsconfig.json') }))
    // The reference documents of core and NestJS also address readers who write JavaScript, so their examples may omit types.
    // For these documents, the test ignores errors about implicit types. For all other documents, it reports these errors.
    const isLeft = (line: string) => /(core-docs|nestjs)-.*error TS70\d\d: .*implicitly/.test(line)
    expect(
      compile(folder)
        .split('\n')
        .filter((line) => line !== '' && !isLeft(line)),
    ).toEqual([])
  } finally {
    rmSync(folder, { recursive: true })
  }
})

function examplesOf(text: string): string {
  return [...text.matchAll(/^```ts\n(.*?)^```$/gms)].map((block) => block[1]).join('\n')
}

function uses(text: string, name: string): boolean {
  return new RegExp(`\\b${name}\\b`).test(text)
}

function compile(folder: string): string {
  const compiler = fileURLToPath(new URL('../../../../node_modules/typescript/bin/tsc', import.meta.url))
  try {
    execFileSync(process.execPath, [compiler, '--noEmit', '-p', folder], { encoding: 'utf8' })
    return ''
  } catch (error) {
    return (error as { stdout: string }).stdout
  }
}
