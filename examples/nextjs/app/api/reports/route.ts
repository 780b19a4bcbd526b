import { jobs } from '../../../jobs.ts'

export const dynamic = 'force-dynamic'

export async function POST(request: Request): Promise<Response> {
  const { id } = await jobs().trigger('report', { data: await request.json() })
  return Response.json({ id }, { status: 202 })
}
