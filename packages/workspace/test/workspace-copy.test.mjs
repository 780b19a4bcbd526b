import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { root } from '../runner/repository.mjs'
import { withWorkspaceCopy } from '../runner/workspace-copy.mjs'

it('withWorkspaceCopy copies the tree without installed and built files, and removes the copy afterwards', async () => {
  const copy = await withWorkspaceCopy(async (folder) => {
    expect(folder.startsWith(root)).toBe(false)
    for (const path of ['package.json', 'pnpm-lock.yaml', 'packages/core/src/index.ts']) {
      expect(existsSync(join(folder, path)), path).toBe(true)
    }
    for (const path of ['node_modules', 'packages/core/node_modules', 'packages/core/dist', '.git']) {
      expect(existsSync(join(folder, path)), path).toBe(false)
    }
    return folder
  })
  expect(existsSync(copy)).toBe(false)
})

it('withWorkspaceCopy removes the copy even if its callback fails', async () => {
  let copy = ''
  const failing = withWorkspaceCopy(async (folder) => {
    copy = folder
    throw new Error('the use failed')
  })
  await expect(failing).rejects.toThrow('the use failed')
  expect(copy).not.toBe('')
  expect(existsSync(copy)).toBe(false)
})
