import { defineConfig, mergeConfig, type ViteUserConfig } from 'vitest/config'
import { kitEffort } from '../../packages/workspace/test-effort.ts'
import { sharedSettings } from '../../packages/workspace/vitest.shared.ts'

const { scale, seeds } = kitEffort(0.25, 0.1)

export default mergeConfig(
  sharedSettings as ViteUserConfig,
  // Passes the settings of this test run to the conformance kit by environment variables, as a user would.
  defineConfig({
    test: {
      env: {
        JOBISTEMER_CONFORMANCE_SCALE: process.env.JOBISTEMER_CONFORMANCE_SCALE ?? String(scale),
        JOBISTEMER_CONFORMANCE_SEED: process.env.JOBISTEMER_CONFORMANCE_SEED ?? seeds.join(','),
      },
    },
  }) as ViteUserConfig,
)
