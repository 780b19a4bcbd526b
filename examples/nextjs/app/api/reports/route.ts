import { jobs } from '../../../scheduler.ts'

export const dynamic = 'force-dynamic'

export async function POST(request: Request): Promise<Response> {
  const scheduler = await jobs()
  const { id } = await scheduler.trigger('report', { data: await request.json() })
  return Response.json({ id }, { status: 202 })
}
