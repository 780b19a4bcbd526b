/** The error text for a request whose run the overlap policy skipped. */
export const skippedText =
  'The request was skipped and does not run: another run of the job is active, and its overlapPolicy is skip.'
