import { defineConfig, mergeConfig, type ViteUserConfig } from 'vitest/config'
import { sharedSettings } from '../workspace/vitest.shared.ts'

export default mergeConfig(
  sharedSettings as ViteUserConfig,
  // Every scenario makes its own world, so the files can share the modules: loading them took as long as the tests.
  defineConfig({ test: { isolate: false } }) as ViteUserConfig,
)
