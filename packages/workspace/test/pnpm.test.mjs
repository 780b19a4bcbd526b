import { expect, it } from 'vitest'
import { capturePnpm, pinnedPnpm } from '../runner/pnpm.mjs'

it('runs exactly the pnpm version that the repository pins', async () => {
  const { output } = await capturePnpm(['--version'])
  expect(`pnpm@${output.trim()}`).toBe(pinnedPnpm)
})

it('lets programs find that pnpm under its name', async () => {
  const { output } = await capturePnpm(['exec', 'pnpm', '--version'])
  expect(`pnpm@${output.trim()}`).toBe(pinnedPnpm)
})
