import { mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { createDemoFolder } from '../src/demo-folder.ts'
import { temporaryFolder } from './world.ts'

it('createDemoFolder creates a folder that does not exist, and accepts an empty folder', () => {
  const top = temporaryFolder()
  mkdirSync(join(top, 'empty'))
  for (const path of [join(top, 'new', 'deep'), join(top, 'empty')]) {
    expect(createDemoFolder(path).path).toBe(path)
    expect(readdirSync(path).sort()).toEqual(['backups', 'work'])
  }
})

it('createDemoFolder refuses a folder that is not empty, and does not change it', () => {
  const folder = temporaryFolder()
  writeFileSync(join(folder, 'mine'), '')
  expect(() => createDemoFolder(folder)).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT', field: '--out' }))
  expect(readdirSync(folder)).toEqual(['mine'])
})

it('createDemoFolder refuses a path below a file', () => {
  const file = join(temporaryFolder(), 'file')
  writeFileSync(file, '')
  expect(() => createDemoFolder(join(file, 'out'))).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }))
})
