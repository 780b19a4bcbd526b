import { defineConfig, mergeConfig, type ViteUserConfig } from 'vitest/config'
import { sharedSettings } from '../workspace/vitest.shared.ts'

export default mergeConfig(
  sharedSettings as ViteUserConfig,
  // Concurrent runs spend most of their time waiting.
  defineConfig({ test: { maxConcurrency: 8 } }) as ViteUserConfig,
)
