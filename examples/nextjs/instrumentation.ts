/** Next.js calls it once, when a server starts: not at a build, and not for each request. */
export async function register(): Promise<void> {
  // The edge runtime has no processes that live on.
  if (process.env.NEXT_RUNTIME !== 'nodejs') return
  const { startJobs } = await import('./jobs.ts')
  await startJobs()
}
