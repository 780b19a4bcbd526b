import { defineConfig } from 'vitest/config'
import { isThorough } from './test-effort.ts'

/** The vitest settings that every package uses. */
export const sharedSettings: ReturnType<typeof defineConfig> = defineConfig({
  test: {
    include: ['test/**/*.test.{ts,mjs}'],
    // Tests in `test/extra` start many processes or make many calls, so only `npm run test:extra` runs them.
    exclude: isThorough ? [] : ['test/extra/**'],
    // No test waits for time to pass, so this limit only ends tests that hang. The limit is long enough for a busy
    // machine.
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // A condition that `expect.poll` waits for may take long on a busy machine. The default limit of 1 s is too short.
    expect: { poll: { timeout: 30_000 } },
    allowOnly: false,
    // Test files share loaded modules. This is safe, because each test creates its own state. If each file loaded the
    // modules again, loading would take as long as the tests.
    isolate: false,
    // Node.js loads the built files of other packages directly. Vite would transform hundreds of files again in each package.
    server: { deps: { external: [/\/packages\/[^/]+\/dist\//] } },
  },
})
