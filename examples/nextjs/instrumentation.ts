/** Next.js calls `register` once, when a server starts. */
export async function register(): Promise<void> {
  // `register` starts no scheduler in the edge runtime, which has no long-lived processes.
  if (process.env.NEXT_RUNTIME !== 'nodejs') return
  const { startJobs } = await import('./jobs.ts')
  await startJobs()
}
