import { readFields } from '../layout.ts'
import { recordLayout } from '../stored-layouts.ts'

const sizes = {
  ownerSize: 'ownerSize',
  detailsSize: 'detailsSize',
  cancelSize: 'cancelSize',
  reasonSize: 'reasonSize',
}

/** Lua that takes the task runs off a record: they are its last text. */
export const bareRecord: string = `
local function withoutRuns(text)
  ${readFields(recordLayout, 'text', sizes)}
  return sub(text, 1, recordSize + ownerSize + detailsSize + cancelSize + reasonSize)
end
`
