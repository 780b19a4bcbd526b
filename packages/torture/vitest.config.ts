import { defineConfig, mergeConfig, type ViteUserConfig } from 'vitest/config'
import { sharedSettings } from '../workspace/vitest.shared.ts'

export default mergeConfig(
  sharedSettings as ViteUserConfig,
  // Concurrent runs mostly wait, so more runs than processors make the tests faster.
  defineConfig({ test: { maxConcurrency: 8 } }) as ViteUserConfig,
)
