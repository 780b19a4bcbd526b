import { defineConfig, mergeConfig, type ViteUserConfig } from 'vitest/config'
import { sharedSettings } from '../../packages/workspace/vitest.shared.ts'

export default mergeConfig(
  sharedSettings as ViteUserConfig,
  // The demo starts a worker process, which needs the built files.
  defineConfig({ test: { globalSetup: 'test/build.ts' } }) as ViteUserConfig,
)
