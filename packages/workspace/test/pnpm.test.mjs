import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { expect, it, onTestFinished } from 'vitest'
import { capturePnpm, captureScript, captureTool, pinnedPnpm } from '../runner/pnpm.mjs'

it('capturePnpm runs exactly the pnpm version that the repository pins', async () => {
  const { output } = await capturePnpm(['--version'])
  expect(`pnpm@${output.trim()}`).toBe(pinnedPnpm)
})

it('a program that capturePnpm starts finds the pinned pnpm under the name pnpm', async () => {
  const { output } = await capturePnpm(['exec', 'pnpm', '--version'])
  expect(`pnpm@${output.trim()}`).toBe(pinnedPnpm)
})

it('runScript passes arguments unchanged to a package’s script, which finds the installed programs', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'jobistemer-script-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  const programs = join(folder, 'node_modules', '.bin')
  mkdirSync(programs, { recursive: true })
  writeFileSync(
    join(programs, 'own-program'),
    '#!/bin/sh\necho "$(basename "$PWD"): $*, $EXTRA, $(basename "$npm_execpath")"\n',
  )
  chmodSync(join(programs, 'own-program'), 0o755)
  const scripts = { some: 'own-program first' }
  const { output, exitCode } = await captureScript({ folder, manifest: { scripts } }, 'some', ['two words'], {
    env: { EXTRA: 'more' },
  })
  expect({ output, exitCode }).toEqual({
    output: `${basename(folder)}: first two words, more, pnpm.cjs\n`,
    exitCode: 0,
  })
})

it('captureTool runs a program that the checks of the repository need, and returns its exit code', async () => {
  const { output, exitCode } = await captureTool('publint', 'publint', ['--version'])
  expect({ output: output.trim(), exitCode }).toEqual({ output: expect.stringMatching(/\d+\.\d+\.\d+$/), exitCode: 0 })
})
