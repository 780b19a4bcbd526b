import { defineConfig, mergeConfig, type ViteUserConfig } from 'vitest/config'
import { isThorough } from '../workspace/test-effort.ts'
import { sharedSettings } from '../workspace/vitest.shared.ts'

// Tests in `test/extra` take minutes, so only `npm run test:extra` runs them.
export default mergeConfig(
  sharedSettings as ViteUserConfig,
  defineConfig({ test: { exclude: isThorough ? [] : ['test/extra/**'] } }) as ViteUserConfig,
)
