/** Next.js calls `register` once when a server starts. A build and a request do not call it. */
export async function register(): Promise<void> {
  // The edge runtime has no long-lived processes.
  if (process.env.NEXT_RUNTIME !== 'nodejs') return
  const { startJobs } = await import('./jobs.ts')
  await startJobs()
}
