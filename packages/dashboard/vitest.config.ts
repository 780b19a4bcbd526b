import { defineConfig, mergeConfig, type ViteUserConfig } from 'vitest/config'
import { isThorough } from '../workspace/test-effort.ts'
import { sharedSettings } from '../workspace/vitest.shared.ts'

// What takes minutes belongs to `npm run test:extra`.
export default mergeConfig(
  sharedSettings as ViteUserConfig,
  defineConfig({ test: { exclude: isThorough ? [] : ['test/extra/**'] } }) as ViteUserConfig,
)
