import * as published from '@opentelemetry/semantic-conventions/incubating'
import { expect, test } from 'vitest'
import { conventional, schemaUrl } from '../src/conventions.ts'
import packageJson from '../package.json' with { type: 'json' }

test('the names equal the names of the pinned version of the conventions', () => {
  const names = Object.values(published)
  expect(Object.values(conventional).filter((name) => !names.includes(name as never))).toEqual([])
  expect(schemaUrl).toContain(`/${packageJson.devDependencies['@opentelemetry/semantic-conventions']}`)
})

test('nothing but the API and core is needed', () => {
  expect(packageJson).not.toHaveProperty('dependencies')
  expect(Object.keys(packageJson.peerDependencies)).toEqual(['@jobistemer/core', '@opentelemetry/api'])
})
