import { defineConfig } from 'vitest/config'

/** The test settings of every package. */
export const sharedSettings: ReturnType<typeof defineConfig> = defineConfig({
  test: {
    include: ['test/**/*.test.{ts,mjs}'],
    // No test waits for time to pass, so the limit only ends tests that hang. It must also suffice on a busy machine.
    testTimeout: 60_000,
    hookTimeout: 60_000,
    allowOnly: false,
    // Each test creates its own world, so files can share the modules: loading them took as long as the tests.
    isolate: false,
    // Node.js loads the builds of other packages directly. Vite would transform hundreds of files again in each package.
    server: { deps: { external: [/\/packages\/[^/]+\/dist\//] } },
  },
})
