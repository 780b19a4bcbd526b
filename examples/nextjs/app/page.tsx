import { jobs } from '../scheduler.ts'

export const dynamic = 'force-dynamic'

// biome-ignore lint/style/noDefaultExport: Next.js expects a default export
export default async function Page() {
  const scheduler = await jobs()
  const { items } = await scheduler.occurrences({ job: 'report', order: 'descending', limit: 20 })
  return (
    <ul>
      {items.map(({ id, state }) => (
        <li key={id}>{state}</li>
      ))}
    </ul>
  )
}
