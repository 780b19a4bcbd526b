import { defineConfig } from 'vitest/config'

/** The test settings of every package. */
export const sharedSettings: ReturnType<typeof defineConfig> = defineConfig({
  test: {
    include: ['test/**/*.test.{ts,mjs}'],
    // No test waits for time to pass, so a limit only ends what hangs; it has to hold on a busy machine too.
    testTimeout: 60_000,
    hookTimeout: 60_000,
    allowOnly: false,
    // Tests make worlds of their own, so that files can share the modules: loading them took as long as the tests.
    isolate: false,
    // Node loads what other packages have built. Vite would transform their hundreds of files once more in each package.
    server: { deps: { external: [/\/packages\/[^/]+\/dist\//] } },
  },
})
