/** Next.js calls `register` once when a server starts, and neither during a build nor for a request. */
export async function register(): Promise<void> {
  // The edge runtime has no long-lived processes, so it starts no scheduler.
  if (process.env.NEXT_RUNTIME !== 'nodejs') return
  const { startJobs } = await import('./jobs.ts')
  await startJobs()
}
