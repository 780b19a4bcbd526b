import { defineConfig } from 'vitest/config'

/** The vitest settings that every package uses. */
export const sharedSettings: ReturnType<typeof defineConfig> = defineConfig({
  test: {
    include: ['test/**/*.test.{ts,mjs}'],
    // No test waits for time to pass, so this limit only ends tests that hang. It also suffices on a busy machine.
    testTimeout: 60_000,
    hookTimeout: 60_000,
    allowOnly: false,
    // Test files share loaded modules, because each test creates its own state, and loading took as long as the tests.
    isolate: false,
    // Node.js loads the built files of other packages directly. Vite would transform hundreds of files again in each package.
    server: { deps: { external: [/\/packages\/[^/]+\/dist\//] } },
  },
})
