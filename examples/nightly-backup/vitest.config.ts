import { defineConfig, mergeConfig, type ViteUserConfig } from 'vitest/config'
import { sharedSettings } from '../../packages/workspace/vitest.shared.ts'

export default mergeConfig(
  sharedSettings as ViteUserConfig,
  // The demo starts worker processes, which need the built files.
  defineConfig({ test: { globalSetup: 'test/build.ts' } }) as ViteUserConfig,
)
