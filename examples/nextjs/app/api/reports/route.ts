import { JobistemerError } from '@jobistemer/core'
import { jobs } from '../../../scheduler.ts'

export const dynamic = 'force-dynamic'

export async function POST(request: Request): Promise<Response> {
  const scheduler = await jobs()
  try {
    const { id } = await scheduler.trigger('report', { data: await request.json() })
    return Response.json({ id }, { status: 202 })
  } catch (error) {
    if (!JobistemerError.isInstance(error, 'QUEUE_FULL')) throw error
    return Response.json({ error: error.message }, { status: 429 })
  }
}
