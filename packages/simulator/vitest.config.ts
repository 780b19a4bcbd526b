import { defineConfig, mergeConfig, type ViteUserConfig } from 'vitest/config'
import { sharedSettings } from '../workspace/vitest.shared.ts'

export default mergeConfig(
  sharedSettings as ViteUserConfig,
  // A group of ten seeds takes 15 s of processor time, and the tests of other packages use the processors at the same time.
  defineConfig({ test: { testTimeout: 300_000 } }) as ViteUserConfig,
)
