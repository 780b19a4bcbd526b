import * as published from '@opentelemetry/semantic-conventions/incubating'
import { expect, test } from 'vitest'
import { conventional, schemaUrl } from '../src/conventions.ts'
import packageJson from '../package.json' with { type: 'json' }

test('the attribute names of the OpenTelemetry package equal the names in the pinned version of the semantic conventions', () => {
  const names = Object.values(published)
  expect(Object.values(conventional).filter((name) => !names.includes(name as never))).toEqual([])
  expect(schemaUrl).toContain(`/${packageJson.devDependencies['@opentelemetry/semantic-conventions']}`)
})

test('the OpenTelemetry package depends only on the OpenTelemetry API and core', () => {
  expect(packageJson).not.toHaveProperty('dependencies')
  expect(Object.keys(packageJson.peerDependencies)).toEqual(['@jobistemer/core', '@opentelemetry/api'])
})
