import { defineConfig, mergeConfig, type ViteUserConfig } from 'vitest/config'
import { sharedSettings } from '../workspace/vitest.shared.ts'

export default mergeConfig(
  sharedSettings as ViteUserConfig,
  // Runs that are concurrent wait for most of their time.
  defineConfig({ test: { maxConcurrency: 8 } }) as ViteUserConfig,
)
