import { defineConfig, mergeConfig, type ViteUserConfig } from 'vitest/config'
import { sharedSettings } from '../workspace/vitest.shared.ts'

export default mergeConfig(
  sharedSettings as ViteUserConfig,
  defineConfig({ test: { globalSetup: ['test/local-server.ts'] } }) as ViteUserConfig,
)
